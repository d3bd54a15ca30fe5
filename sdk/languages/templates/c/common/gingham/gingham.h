// What a policy in C needs: texts, addresses, the configuration's JSON, refusals, the log.
//
// The contract itself is in policy.h, generated from the WIT files. Everything there can be used as well.
// A policy's memory lasts for one request, so nothing has to be freed.

#ifndef GINGHAM_H
#define GINGHAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

typedef gingham_ipam_addresses_ip_address_t gingham_address;
typedef gingham_ipam_addresses_ip_prefix_t gingham_prefix; // An address with a length: 10.1.0.2/24, or a network.
typedef gingham_ipam_addresses_ip_range_t gingham_range;   // Both ends are included.
typedef gingham_ipam_addresses_grid_t gingham_grid;        // A range in blocks of one size.
typedef gingham_ipam_context_borrow_context_t gingham_context;
typedef gingham_ipam_request_borrow_request_t gingham_request;
typedef gingham_ipam_events_borrow_ended_t gingham_ended;
typedef gingham_ipam_events_borrow_adopted_t gingham_adopted;
typedef gingham_ipam_answers_own_refusal_t gingham_refusal;

// ---- What you write. gingham.c calls it.

typedef const char *gingham_json; // A value of the configuration. NULL if it is absent.
typedef struct gingham_pools gingham_pools;
typedef struct gingham_answer gingham_answer;

// Declares where the network's addresses lie, by gingham_add_subnet and gingham_add_range. A wrong configuration is
// reported by gingham_problem.
void check_config(gingham_json config, gingham_context context, gingham_pools *pools);

// Chooses addresses, by gingham_answer_address. Returns false with a refusal: `return gingham_denied(refusal, "…");`
bool allocate(gingham_json config, gingham_context context, gingham_request request, gingham_answer *answer,
              gingham_refusal *refusal);

// With "release-hook" in the exports of gingham-policy.toml: an attachment has ended.
void release(gingham_json config, gingham_context context, gingham_ended ended);

// With "adoption-hook": leases of the reference host-local were adopted.
void adopt(gingham_json config, gingham_context context, gingham_adopted adopted);

// With "cluster": the range in blocks, by gingham_add_grid; a member's part of it, by gingham_add_share; and the block
// to claim next for a grid.
void blocks(gingham_json config, gingham_context context, gingham_pools *grids);
bool share(gingham_json config, size_t count, const char *const members[], const char *member, gingham_pools *ranges,
           gingham_refusal *refusal);
bool next_block(gingham_json config, gingham_context context, uint32_t grid, gingham_prefix *block,
                gingham_refusal *refusal);

// ---- The configuration. Keys match in any case; null counts as absent.

gingham_json gingham_get(gingham_json object, const char *key);
gingham_json gingham_item(gingham_json array, size_t index);
const char *gingham_string(gingham_json value);               // NULL if it is not a string.
bool gingham_number(gingham_json value, uint64_t *number);    // False if it is not a whole number from 0.
bool gingham_is_true(gingham_json value);
bool gingham_get_prefix(gingham_json object, const char *key, gingham_prefix *prefix);    // False if it is not one.
bool gingham_get_address(gingham_json object, const char *key, gingham_address *address); // False if it is not one.

// ---- Addresses and texts.

bool gingham_parse_address(const char *text, gingham_address *address);
bool gingham_parse_prefix(const char *text, gingham_prefix *prefix);
const char *gingham_address_text(gingham_address address);
const char *gingham_prefix_text(gingham_prefix prefix);
bool gingham_contains(gingham_range range, gingham_address address);
int gingham_compare(gingham_address one, gingham_address other); // As strcmp; IPv4 is below IPv6.
gingham_range gingham_range_of(gingham_prefix network);          // From its first to its last address.
gingham_prefix gingham_network_of(gingham_prefix prefix);        // With host bits zero.
bool gingham_first_host(gingham_prefix network, gingham_address *address); // The usual gateway. False for /31 and /127.
const char *gingham_text(policy_string_t text);                  // A text of policy.h, ended by NUL.
policy_string_t gingham_bytes(const char *text);                 // The other way.
const char *gingham_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- Pools and problems, in check_config and blocks.

// A pool with a whole network. Its gateway is its first address.
void gingham_add_subnet(gingham_pools *pools, const char *name, gingham_prefix network);
// A pool with a part of a network. `gateway` may be NULL.
void gingham_add_range(gingham_pools *pools, const char *name, gingham_prefix network, gingham_range range,
                       const gingham_address *gateway);
void gingham_add_grid(gingham_pools *grids, gingham_prefix range, uint8_t block_length);
void gingham_add_share(gingham_pools *ranges, gingham_range range);
// A fault in the configuration: the key's path, and what to do about it.
void gingham_problem(gingham_pools *pools, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ---- Requests. A fact is NULL unless it is known; policy.h tells absent from unknown.

const char *gingham_container_id(gingham_request request);
const char *gingham_pod_namespace(gingham_request request);
const char *gingham_pod_name(gingham_request request);
const char *gingham_pod_label(gingham_request request, const char *key);
const char *gingham_pod_annotation(gingham_request request, const char *key);
const char *gingham_namespace_label(gingham_request request, const char *key);
const char *gingham_node_name(gingham_context context);
const char *gingham_node_label(gingham_context context, const char *key);
const char *gingham_ended_pod_namespace(gingham_ended ended);
const char *gingham_ended_pod_name(gingham_ended ended);
// The addresses that the runtime requested, from index 0 on. False beyond the last. Grant all of them, or refuse: an
// answer without one of them becomes a refusal.
bool gingham_requested_address(gingham_request request, size_t index, gingham_address *address);
uint64_t gingham_random(gingham_request request); // The next number of a sequence that the request's seed begins.

// ---- Choosing.

// The address in the network that the runtime requested; without one, the lowest free one. False with a refusal.
bool gingham_take(gingham_request request, gingham_prefix network, gingham_address *address, gingham_refusal *refusal);
bool gingham_next_free(gingham_range range, const gingham_address *after, gingham_address *address);
bool gingham_is_free(gingham_address address);
bool gingham_reserve(const char *key, gingham_address address, uint64_t seconds);
// The addresses that are reserved under the key, from index 0 on. False beyond the last.
bool gingham_reserved(const char *key, size_t index, gingham_address *address);

// For cluster policies: the first unclaimed block in the range above `after` (NULL: of all).
bool gingham_next_unclaimed(gingham_range range, const gingham_address *after, gingham_prefix *block);

// ---- Answers. `gateway` may be NULL; a pool must declare it.

void gingham_answer_address(gingham_answer *answer, gingham_address address, uint8_t length,
                            const gingham_address *gateway);
// An address of a network that gingham_add_subnet declared.
void gingham_answer_in(gingham_answer *answer, gingham_prefix network, gingham_address address);
void gingham_answer_reason(gingham_answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- Refusals. Each returns false.

bool gingham_exhausted(gingham_refusal *refusal, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool gingham_unavailable(gingham_refusal *refusal, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool gingham_try_again(gingham_refusal *refusal, uint64_t after_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool gingham_denied(gingham_refusal *refusal, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool gingham_refused(gingham_refusal *refusal, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- The log. printf writes lines of the level info to it, and fprintf(stderr, …) lines of the level warn.

void gingham_log(gingham_ipam_log_level_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define gingham_debug(...) gingham_log(GINGHAM_IPAM_LOG_LEVEL_DEBUG, __VA_ARGS__)
#define gingham_info(...) gingham_log(GINGHAM_IPAM_LOG_LEVEL_INFO, __VA_ARGS__)
#define gingham_warn(...) gingham_log(GINGHAM_IPAM_LOG_LEVEL_WARN, __VA_ARGS__)

// ---- What C has and a policy has not: each request would get the same numbers.

#define GINGHAM_SAME_NUMBERS __attribute__((unavailable("every request would get the same numbers: use gingham_random")))
int rand(void) GINGHAM_SAME_NUMBERS;
long random(void) GINGHAM_SAME_NUMBERS;

#endif
