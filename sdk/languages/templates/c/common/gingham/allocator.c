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

bool exports_gingham_ipam_allocator_allocate(policy_string_t *config, gingham_context context,
                                             gingham_request request, gingham_ipam_answers_own_answer_t *answered,
                                             gingham_refusal *refusal) {
  gingham_answer answer = {gingham_ipam_answers_constructor_answer()};
  refusal->__handle = 0;
  bool granted = allocate(gingham_text(*config), context, request, &answer, refusal);
  if (!granted && !refusal->__handle) gingham_refused(refusal, "allocate returned false without a refusal");
  *answered = answer.answer;
  gingham_flush();
  return granted;
}
