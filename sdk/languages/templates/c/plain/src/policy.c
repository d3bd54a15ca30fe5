// The policy @NAME@: the lowest free address of a subnet.
//
//   "ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24"}

#include "gingham.h"

void check_config(gingham_json config, gingham_context context, gingham_pools *pools) {
  (void)context;
  gingham_prefix subnet;
  if (!gingham_get_prefix(config, "subnet", &subnet)) {
    gingham_problem(pools, "subnet", "use an address and a prefix length, such as \"10.1.0.0/24\"");
    return;
  }
  gingham_add_subnet(pools, "subnet", subnet);
}

bool allocate(gingham_json config, gingham_context context, gingham_request request, gingham_answer *answer,
              gingham_refusal *refusal) {
  (void)context;
  gingham_prefix subnet;
  gingham_address address;
  gingham_get_prefix(config, "subnet", &subnet); // check_config has seen it.
  if (!gingham_take(request, subnet, &address, refusal)) return false;
  gingham_answer_in(answer, subnet, address);
  const char *pod = gingham_pod_name(request);
  gingham_answer_reason(answer, "the lowest free address, for %s", pod ? pod : gingham_container_id(request));
  return true;
}
