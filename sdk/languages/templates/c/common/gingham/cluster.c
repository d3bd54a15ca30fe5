// For policies that divide a range among the members of a cluster.

#include "calls.h"

void gingham_add_grid(gingham_pools *grids, gingham_prefix range, uint8_t block_length) {
  gingham_grid grid = {gingham_network_of(range), block_length};
  GINGHAM_PUSH(grids->grids, grid);
}

void gingham_add_share(gingham_pools *ranges, gingham_range range) {
  GINGHAM_PUSH(ranges->ranges, range);
}

bool gingham_next_unclaimed(gingham_range range, const gingham_address *after, gingham_prefix *block) {
  gingham_address copy = after ? *after : (gingham_address){0};
  return gingham_ipam_shares_next_unclaimed(&range, after ? &copy : NULL, block);
}

bool exports_gingham_ipam_cluster_blocks(policy_string_t *config, gingham_context context,
                                         exports_gingham_ipam_cluster_list_grid_t *grids,
                                         exports_gingham_ipam_cluster_list_own_problem_t *problems) {
  gingham_pools found = {0};
  blocks(gingham_text(*config), context, &found);
  gingham_flush();
  *grids = (exports_gingham_ipam_cluster_list_grid_t){found.grids.ptr, found.grids.len};
  *problems = (exports_gingham_ipam_cluster_list_own_problem_t){found.problems.ptr, found.problems.len};
  return found.problems.len == 0;
}

bool exports_gingham_ipam_cluster_share(policy_string_t *config, policy_list_string_t *members, policy_string_t *member,
                                        exports_gingham_ipam_cluster_list_ip_range_t *ranges,
                                        gingham_refusal *refusal) {
  const char **names = malloc((members->len + 1) * sizeof *names);
  for (size_t i = 0; i < members->len; i++) names[i] = gingham_text(members->ptr[i]);
  gingham_pools found = {0};
  refusal->__handle = 0;
  bool done = share(gingham_text(*config), members->len, names, gingham_text(*member), &found, refusal);
  if (!done && !refusal->__handle) gingham_refused(refusal, "share returned false without a refusal");
  gingham_flush();
  *ranges = (exports_gingham_ipam_cluster_list_ip_range_t){found.ranges.ptr, found.ranges.len};
  return done;
}

bool exports_gingham_ipam_cluster_next_block(policy_string_t *config, gingham_context context, uint32_t grid,
                                             gingham_prefix *block, gingham_refusal *refusal) {
  refusal->__handle = 0;
  bool found = next_block(gingham_text(*config), context, grid, block, refusal);
  if (!found && !refusal->__handle) gingham_refused(refusal, "next_block returned false without a refusal");
  gingham_flush();
  return found;
}
