// The exports of every policy.

#include "calls.h"

static bool refused(gingham_pools *pools, exports_gingham_ipam_allocator_list_own_problem_t *problems) {
  gingham_flush();
  *problems = pools->problems;
  return pools->problems.len > 0;
}

bool exports_gingham_ipam_allocator_check_config(policy_string_t *config, gingham_context context,
                                                 exports_gingham_ipam_allocator_list_own_pool_t *declared,
                                                 exports_gingham_ipam_allocator_list_own_problem_t *problems) {
  gingham_pools pools = {0};
  check_config(gingham_text(*config), context, &pools);
  *declared = pools.pools;
  return !refused(&pools, problems);
}

static bool has(const gingham_answer *answer, gingham_address address) {
  for (size_t i = 0; i < answer->addresses.len; i++) {
    if (gingham_compare(answer->addresses.ptr[i], address) == 0) return true;
  }
  return false;
}

// False with a refusal. The host takes an answer without a requested address for a fault of the policy.
static bool has_all_requested(const gingham_answer *answer, gingham_request request, gingham_refusal *refusal) {
  gingham_ipam_request_list_ip_address_t requested;
  gingham_ipam_request_method_request_requested_addresses(request, &requested);
  const char *missing = "";
  for (size_t i = 0; i < requested.len; i++) {
    if (has(answer, requested.ptr[i])) continue;
    missing = gingham_format("%s %s", missing, gingham_address_text(requested.ptr[i]));
  }
  return !*missing || gingham_unavailable(refusal, "failed to allocate all requested IPs:%s", missing);
}

bool exports_gingham_ipam_allocator_allocate(policy_string_t *config, gingham_context context,
                                             gingham_request request, gingham_ipam_answers_own_answer_t *answered,
                                             gingham_refusal *refusal) {
  gingham_answer answer = {.answer = gingham_ipam_answers_constructor_answer()};
  refusal->__handle = 0;
  bool granted = allocate(gingham_text(*config), context, request, &answer, refusal);
  if (!granted && !refusal->__handle) gingham_refused(refusal, "allocate returned false without a refusal");
  granted = granted && has_all_requested(&answer, request, refusal);
  *answered = answer.answer;
  gingham_flush();
  return granted;
}
