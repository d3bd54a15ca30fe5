// What the files of this directory share. A policy includes gingham.h.

#ifndef GINGHAM_CALLS_H
#define GINGHAM_CALLS_H

#include <stdarg.h>

#include "gingham.h"

// What check_config, blocks and share collect.
struct gingham_pools {
  exports_gingham_ipam_allocator_list_own_pool_t pools;
  exports_gingham_ipam_allocator_list_own_problem_t problems;
  struct {
    gingham_grid *ptr;
    size_t len;
  } grids;
  struct {
    gingham_range *ptr;
    size_t len;
  } ranges;
};

struct gingham_answer {
  gingham_ipam_answers_own_answer_t answer;
  struct {
    gingham_address *ptr;
    size_t len;
  } addresses;
};

// Adds to a list of policy.h.
#define GINGHAM_PUSH(list, item)                                            \
  do {                                                                      \
    (list).ptr = realloc((list).ptr, ((list).len + 1) * sizeof *(list).ptr); \
    (list).ptr[(list).len++] = (item);                                      \
  } while (0)

const char *gingham_formatted(const char *format, va_list arguments);

// Writes the last, unfinished line of printf to the log.
void gingham_flush(void);

#endif
