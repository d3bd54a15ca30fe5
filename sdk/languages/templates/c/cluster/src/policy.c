// The policy @NAME@: nodes of a cluster share a range; each claims the first unclaimed block when it needs one.
//
//   "ipam": {"type": "gingham", "policy": "@NAME@", "range": "10.32.0.0/16", "blockSize": 24, "cluster": {...}}

#include "gingham.h"

// The range in blocks. False with a problem.
static bool read_grid(gingham_json config, gingham_grid *grid, gingham_pools *problems) {
  uint64_t length = 24;
  if (!gingham_get_prefix(config, "range", &grid->range)) {
    gingham_problem(problems, "range", "use an address and a prefix length, such as \"10.32.0.0/16\"");
    return false;
  }
  gingham_number(gingham_get(config, "blockSize"), &length);
  bool is_v4 = grid->range.address.tag == GINGHAM_IPAM_ADDRESSES_IP_ADDRESS_IPV4;
  if (length < grid->range.length || length > (is_v4 ? 32 : 128)) {
    gingham_problem(problems, "blockSize", "a block of %s cannot be a /%llu", gingham_prefix_text(grid->range), length);
    return false;
  }
  grid->block_length = (uint8_t)length;
  return true;
}

void check_config(gingham_json config, gingham_context context, gingham_pools *pools) {
  (void)context;
  gingham_grid grid;
  if (read_grid(config, &grid, pools)) gingham_add_subnet(pools, "range", grid.range);
}

// Only addresses of blocks that this node holds are free.
bool allocate(gingham_json config, gingham_context context, gingham_request request, gingham_answer *answer,
              gingham_refusal *refusal) {
  (void)context;
  gingham_prefix range;
  gingham_address address;
  gingham_get_prefix(config, "range", &range); // check_config has seen it.
  if (!gingham_take(request, range, &address, refusal)) return false;
  gingham_answer_in(answer, range, address);
  return true;
}

void blocks(gingham_json config, gingham_context context, gingham_pools *grids) {
  (void)context;
  gingham_grid grid;
  if (read_grid(config, &grid, grids)) gingham_add_grid(grids, grid.range, grid.block_length);
}

// Every node prefers the whole range: first come, first served.
bool share(gingham_json config, size_t count, const char *const members[], const char *member, gingham_pools *ranges,
           gingham_refusal *refusal) {
  (void)count, (void)members, (void)member, (void)refusal;
  gingham_prefix range;
  if (gingham_get_prefix(config, "range", &range)) gingham_add_share(ranges, gingham_range_of(range));
  return true;
}

bool next_block(gingham_json config, gingham_context context, uint32_t grid, gingham_prefix *block,
                gingham_refusal *refusal) {
  (void)context, (void)grid;
  gingham_prefix range;
  gingham_get_prefix(config, "range", &range);
  if (gingham_next_unclaimed(gingham_range_of(range), NULL, block)) return true;
  return gingham_exhausted(refusal, "all blocks of %s are claimed", gingham_prefix_text(range));
}
