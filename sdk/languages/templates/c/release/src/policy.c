// The policy @NAME@: a pod that comes back within `keepSeconds` gets its address again.
//
//   "ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24", "keepSeconds": 600}

#include "gingham.h"

static uint64_t keep_seconds(gingham_json config) {
  uint64_t seconds = 600;
  gingham_number(gingham_get(config, "keepSeconds"), &seconds);
  return seconds;
}

// Without the reservation another pod may get the address, which is no reason to fail.
static void keep(gingham_json config, const char *pod, gingham_address address) {
  if (!gingham_reserve(pod, address, keep_seconds(config))) {
    gingham_warn("cannot reserve %s for %s", gingham_address_text(address), pod);
  }
}

// The key of a pod's reservation. NULL for a container without a pod.
static const char *key(const char *namespace, const char *name) {
  return namespace && name ? gingham_format("%s/%s", namespace, name) : NULL;
}

// The address kept for the pod, if the request may have it. Another container of the pod may still hold it.
static bool find_kept(gingham_json config, gingham_request request, const char *pod, gingham_address *address) {
  gingham_address requested;
  bool is_requested = gingham_requested_address(request, 0, &requested);
  for (size_t i = 0; gingham_reserved(pod, i, address); i++) {
    if (is_requested && gingham_compare(*address, requested) != 0) continue;
    // An answer may have a reserved address only if the same call reserves it again, under the same key.
    keep(config, pod, *address);
    if (gingham_is_free(*address)) return true;
  }
  return false;
}

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
  const char *pod = key(gingham_pod_namespace(request), gingham_pod_name(request));
  if (pod && find_kept(config, request, pod, &address)) {
    gingham_answer_reason(answer, "kept for %s", pod);
  } else if (!gingham_take(request, subnet, &address, refusal)) {
    return false;
  }
  gingham_answer_in(answer, subnet, address);
  return true;
}

void release(gingham_json config, gingham_context context, gingham_ended ended) {
  (void)context;
  const char *pod = key(gingham_ended_pod_namespace(ended), gingham_ended_pod_name(ended));
  if (!pod) return;
  gingham_ipam_events_list_ip_address_t held;
  gingham_ipam_events_method_ended_addresses(ended, &held);
  for (size_t i = 0; i < held.len; i++) keep(config, pod, held.ptr[i]);
}
