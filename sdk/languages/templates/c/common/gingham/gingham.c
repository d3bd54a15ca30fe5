// From the contract's functions to those of gingham.h.

#include <stdarg.h>

#include "calls.h"

const char *gingham_text(policy_string_t text) {
  char *copy = malloc(text.len + 1);
  if (text.len) memcpy(copy, text.ptr, text.len);
  copy[text.len] = 0;
  return copy;
}

policy_string_t gingham_bytes(const char *text) {
  return (policy_string_t){(uint8_t *)text, strlen(text)};
}

const char *gingham_formatted(const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  char *text = malloc((size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

// The text of a function's format and the arguments behind it.
#define FORMATTED(text, format)                        \
  va_list arguments;                                   \
  va_start(arguments, format);                         \
  const char *text = gingham_formatted(format, arguments); \
  va_end(arguments)

const char *gingham_format(const char *format, ...) {
  FORMATTED(text, format);
  return text;
}

void gingham_log(gingham_ipam_log_level_t level, const char *format, ...) {
  FORMATTED(text, format);
  policy_string_t message = gingham_bytes(text);
  gingham_ipam_log_log(level, &message);
}

// ---- Pools

static void add_pool(gingham_pools *pools, const char *name, gingham_ipam_pools_own_pool_range_t range) {
  policy_string_t bytes = gingham_bytes(name);
  gingham_ipam_pools_own_pool_t pool = gingham_ipam_pools_constructor_pool(&bytes);
  gingham_ipam_pools_method_pool_add_range(gingham_ipam_pools_borrow_pool(pool), range);
  GINGHAM_PUSH(pools->pools, pool);
}

void gingham_add_range(gingham_pools *pools, const char *name, gingham_prefix network, gingham_range range,
                       const gingham_address *gateway) {
  network = gingham_network_of(network);
  gingham_ipam_pools_own_pool_range_t made = gingham_ipam_pools_constructor_pool_range(&network, &range);
  if (gateway) {
    gingham_address copy = *gateway;
    gingham_ipam_pools_method_pool_range_set_gateway(gingham_ipam_pools_borrow_pool_range(made), &copy);
  }
  add_pool(pools, name, made);
}

void gingham_add_subnet(gingham_pools *pools, const char *name, gingham_prefix network) {
  gingham_address gateway;
  bool has_gateway = gingham_first_host(network, &gateway);
  gingham_add_range(pools, name, network, gingham_range_of(network), has_gateway ? &gateway : NULL);
}

void gingham_problem(gingham_pools *pools, const char *key, const char *format, ...) {
  FORMATTED(text, format);
  policy_string_t path = gingham_bytes(key), message = gingham_bytes(text);
  GINGHAM_PUSH(pools->problems, gingham_ipam_answers_constructor_problem(&path, &message));
}

// ---- Requests

static const char *known(gingham_ipam_context_fact_t fact) {
  return fact.tag == GINGHAM_IPAM_CONTEXT_FACT_KNOWN ? gingham_text(fact.val.known) : NULL;
}

#define FACT(name, type, method)        \
  const char *name(type of) {           \
    gingham_ipam_context_fact_t fact;   \
    method(of, &fact);                  \
    return known(fact);                 \
  }
#define FACT_BY_KEY(name, type, method)         \
  const char *name(type of, const char *key) {  \
    gingham_ipam_context_fact_t fact;           \
    policy_string_t bytes = gingham_bytes(key); \
    method(of, &bytes, &fact);                  \
    return known(fact);                         \
  }

FACT(gingham_pod_namespace, gingham_request, gingham_ipam_request_method_request_pod_namespace)
FACT(gingham_pod_name, gingham_request, gingham_ipam_request_method_request_pod_name)
FACT(gingham_ended_pod_namespace, gingham_ended, gingham_ipam_events_method_ended_pod_namespace)
FACT(gingham_ended_pod_name, gingham_ended, gingham_ipam_events_method_ended_pod_name)
FACT_BY_KEY(gingham_pod_label, gingham_request, gingham_ipam_request_method_request_pod_label)
FACT_BY_KEY(gingham_pod_annotation, gingham_request, gingham_ipam_request_method_request_pod_annotation)
FACT_BY_KEY(gingham_namespace_label, gingham_request, gingham_ipam_request_method_request_namespace_label)
FACT_BY_KEY(gingham_node_label, gingham_context, gingham_ipam_context_method_context_node_label)

const char *gingham_container_id(gingham_request request) {
  policy_string_t text;
  gingham_ipam_request_method_request_container_id(request, &text);
  return gingham_text(text);
}

const char *gingham_node_name(gingham_context context) {
  policy_string_t text;
  gingham_ipam_context_method_context_node_name(context, &text);
  return gingham_text(text);
}

bool gingham_requested_address(gingham_request request, size_t index, gingham_address *address) {
  gingham_ipam_request_list_ip_address_t requested;
  gingham_ipam_request_method_request_requested_addresses(request, &requested);
  if (index >= requested.len) return false;
  *address = requested.ptr[index];
  return true;
}

uint64_t gingham_random(gingham_request request) {
  // SplitMix64. The globals of a policy last for one request.
  static uint64_t state;
  static bool begun;
  if (!begun) state = gingham_ipam_request_method_request_seed(request), begun = true;
  uint64_t mixed = state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

// ---- Choosing

bool gingham_is_free(gingham_address address) {
  gingham_ipam_leases_address_state_t state;
  gingham_ipam_leases_state(&address, &state);
  return state.tag == GINGHAM_IPAM_LEASES_ADDRESS_STATE_FREE;
}

bool gingham_next_free(gingham_range range, const gingham_address *after, gingham_address *address) {
  gingham_address copy = after ? *after : (gingham_address){0};
  return gingham_ipam_leases_next_free(&range, after ? &copy : NULL, address);
}

bool gingham_take(gingham_request request, gingham_prefix network, gingham_address *address,
                  gingham_refusal *refusal) {
  gingham_range range = gingham_range_of(network);
  gingham_ipam_request_list_ip_address_t requested;
  gingham_ipam_request_method_request_requested_addresses(request, &requested);
  bool is_requested = false;
  for (size_t i = 0; i < requested.len; i++) {
    if (!gingham_contains(range, requested.ptr[i])) continue;
    // An answer without it would be refused: one address of a network is all that this gives.
    if (is_requested)
      return gingham_unavailable(refusal, "%s was requested besides, and one address is given", gingham_address_text(requested.ptr[i]));
    *address = requested.ptr[i];
    is_requested = true;
  }
  if (is_requested && gingham_is_free(*address)) return true;
  if (is_requested)
    return gingham_unavailable(refusal, "requested IP address %s is not available", gingham_address_text(*address));
  if (gingham_next_free(range, NULL, address)) return true;
  return gingham_exhausted(refusal, "no IP addresses available in %s", gingham_prefix_text(network));
}

bool gingham_reserve(const char *key, gingham_address address, uint64_t seconds) {
  policy_string_t bytes = gingham_bytes(key);
  gingham_ipam_reservations_reservation_error_t error;
  uint64_t milliseconds = seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000;
  return gingham_ipam_reservations_reserve(&bytes, &address, milliseconds, &error);
}

bool gingham_reserved(const char *key, size_t index, gingham_address *address) {
  policy_string_t bytes = gingham_bytes(key);
  gingham_ipam_reservations_list_own_reservation_t found;
  gingham_ipam_reservations_find(&bytes, &found);
  if (index >= found.len) return false;
  gingham_ipam_reservations_method_reservation_address(gingham_ipam_reservations_borrow_reservation(found.ptr[index]), address);
  return true;
}

// ---- Answers

void gingham_answer_address(gingham_answer *answer, gingham_address address, uint8_t length,
                            const gingham_address *gateway) {
  GINGHAM_PUSH(answer->addresses, address);
  gingham_prefix prefix = {address, length};
  gingham_address copy = gateway ? *gateway : (gingham_address){0};
  gingham_ipam_answers_borrow_answer_t borrowed = gingham_ipam_answers_borrow_answer(answer->answer);
  gingham_ipam_answers_method_answer_add_address(borrowed, &prefix, gateway ? &copy : NULL);
}

void gingham_answer_in(gingham_answer *answer, gingham_prefix network, gingham_address address) {
  gingham_address gateway;
  bool has_gateway = gingham_first_host(network, &gateway);
  gingham_answer_address(answer, address, network.length, has_gateway ? &gateway : NULL);
}

void gingham_answer_reason(gingham_answer *answer, const char *format, ...) {
  FORMATTED(text, format);
  policy_string_t reason = gingham_bytes(text);
  gingham_ipam_answers_method_answer_set_reason(gingham_ipam_answers_borrow_answer(answer->answer), &reason);
}

// ---- Refusals

#define REFUSAL(name, kind)                                         \
  bool name(gingham_refusal *refusal, const char *format, ...) {    \
    FORMATTED(text, format);                                        \
    policy_string_t message = gingham_bytes(text);                  \
    *refusal = gingham_ipam_answers_static_refusal_##kind(&message); \
    return false;                                                   \
  }

REFUSAL(gingham_exhausted, exhausted)
REFUSAL(gingham_unavailable, unavailable)
REFUSAL(gingham_denied, denied)
REFUSAL(gingham_refused, other)

bool gingham_try_again(gingham_refusal *refusal, uint64_t after_ms, const char *format, ...) {
  FORMATTED(text, format);
  policy_string_t message = gingham_bytes(text);
  *refusal = gingham_ipam_answers_static_refusal_try_again(&message, &after_ms);
  return false;
}
