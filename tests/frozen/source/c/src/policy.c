// A policy that calls what gingham.h and policy.h have of the contract, and logs what it sees.

#include "gingham.h"

static const char V4[] = "10.32.0.0/24", V6[] = "fd00:32::/64";

static gingham_address address(const char *text) {
  gingham_address parsed;
  if (!gingham_parse_address(text, &parsed)) abort();
  return parsed;
}

static gingham_prefix prefix(const char *text) {
  gingham_prefix parsed;
  if (!gingham_parse_prefix(text, &parsed)) abort();
  return parsed;
}

static gingham_range all(const char *network) {
  return gingham_range_of(prefix(network));
}

static gingham_range range(const char *first, const char *last) {
  return (gingham_range){address(first), address(last)};
}

static const char *shown(const char *fact) {
  return fact ? fact : "(none)";
}

static const char *fact(gingham_ipam_context_fact_t *fact) {
  switch (fact->tag) {
    case GINGHAM_IPAM_CONTEXT_FACT_KNOWN: return gingham_text(fact->val.known);
    case GINGHAM_IPAM_CONTEXT_FACT_ABSENT: return "(absent)";
    default: return "(unknown)";
  }
}

void check_config(gingham_json config, gingham_context context, gingham_pools *pools) {
  policy_string_t network;
  gingham_ipam_context_method_context_network_name(context, &network);
  gingham_info("check-config of %s on %s", gingham_text(network), gingham_node_name(context));
  if (!gingham_string(gingham_get(config, "range"))) {
    gingham_problem(pools, "range", "is missing: use an address and a prefix length");
    gingham_problem(pools, "range6", "is missing: use an address and a prefix length");
    return;
  }
  gingham_address gateway = address("10.32.0.1");
  gingham_add_range(pools, "v4", prefix(V4), range("10.32.0.0", "10.32.0.127"), &gateway);
  gingham_add_range(pools, "v6", prefix(V6), all(V6), NULL);
}

static void seen_of_request(gingham_context context, gingham_request request) {
  gingham_ipam_request_requester_t requester;
  gingham_ipam_request_method_request_requester(request, &requester);
  policy_string_t interface;
  gingham_ipam_request_method_request_interface_name(request, &interface);
  gingham_info("requester %d, %s %s", requester.tag, gingham_container_id(request), gingham_text(interface));
  gingham_ipam_context_fact_t uid, account;
  gingham_ipam_request_method_request_pod_uid(request, &uid);
  gingham_ipam_request_method_request_service_account(request, &account);
  gingham_info("pod %s/%s %s %s", shown(gingham_pod_namespace(request)), shown(gingham_pod_name(request)), fact(&uid),
               fact(&account));
  gingham_ipam_request_owner_fact_t owner;
  gingham_ipam_request_method_request_owner(request, &owner);
  if (owner.tag == GINGHAM_IPAM_REQUEST_OWNER_FACT_KNOWN) {
    policy_string_t kind, name;
    gingham_ipam_request_borrow_owner_t borrowed = gingham_ipam_request_borrow_owner(owner.val.known);
    gingham_ipam_request_method_owner_kind(borrowed, &kind);
    gingham_ipam_request_method_owner_name(borrowed, &name);
    gingham_info("owner %s %s", gingham_text(kind), gingham_text(name));
  } else {
    gingham_info("owner %d", owner.tag);
  }
  gingham_info("key a %s, %s, %s, node %s", shown(gingham_pod_label(request, "a")),
               shown(gingham_pod_annotation(request, "a")), shown(gingham_namespace_label(request, "a")),
               shown(gingham_node_label(context, "zone")));
  policy_tuple6_u8_u8_u8_u8_u8_u8_t mac;
  bool has_mac = gingham_ipam_request_method_request_mac(request, &mac);
  gingham_info("mac %d %d, now %llu, seed %llu, drawn %llu", has_mac, has_mac ? mac.f5 : 0,
               gingham_ipam_request_method_request_now(request), gingham_ipam_request_method_request_seed(request),
               gingham_random(request));
}

static const char *label(gingham_request request, const char *key) {
  policy_string_t bytes = gingham_bytes(key), value;
  return gingham_ipam_request_method_request_args_label(request, &bytes, &value) ? gingham_text(value) : NULL;
}

static bool refuse(gingham_request request, const char *kind, gingham_refusal *refusal) {
  (void)request;
  const char *message = "as the label says";
  if (!strcmp(kind, "exhausted")) return gingham_exhausted(refusal, "%s", message);
  if (!strcmp(kind, "unavailable")) return gingham_unavailable(refusal, "%s", message);
  if (!strcmp(kind, "try-again-later")) return gingham_try_again(refusal, 1500, "%s", message);
  if (!strcmp(kind, "denied")) return gingham_denied(refusal, "%s", message);
  return gingham_refused(refusal, "%s", message);
}

static void seen_of_leases(void) {
  gingham_range v4 = all(V4);
  policy_string_t shop = gingham_bytes("shop");
  gingham_info("used %llu, free %llu, of shop %llu", gingham_ipam_leases_used_count(&v4),
               gingham_ipam_leases_free_count(&v4), gingham_ipam_leases_count_of_namespace(&shop));
  const char *addresses[] = {"10.32.0.0", "10.32.0.1", "10.32.0.2", "10.32.0.7", "10.32.0.9", "192.0.2.1"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    gingham_address asked = address(addresses[i]);
    gingham_ipam_leases_address_state_t state;
    gingham_ipam_leases_state(&asked, &state);
    gingham_info("%s is %d", addresses[i], state.tag);
  }
  gingham_ipam_leases_list_own_lease_t leases;
  gingham_ipam_leases_list(&v4, NULL, 9, &leases);
  for (size_t i = 0; i < leases.len; i++) {
    gingham_ipam_leases_borrow_lease_t lease = gingham_ipam_leases_borrow_lease(leases.ptr[i]);
    gingham_address leased;
    policy_string_t container, reason;
    gingham_ipam_leases_method_lease_address(lease, &leased);
    gingham_ipam_leases_method_lease_container_id(lease, &container);
    bool has_reason = gingham_ipam_leases_method_lease_reason(lease, &reason);
    gingham_info("lease %s %s since %llu %s", gingham_address_text(leased), gingham_text(container),
                 gingham_ipam_leases_method_lease_since(lease), has_reason ? gingham_text(reason) : "(none)");
  }
}

static void use_state(void) {
  policy_string_t key = gingham_bytes("times"), empty = gingham_bytes(""), prefix = gingham_bytes("t");
  policy_list_u8_t value;
  uint8_t times = 1;
  if (gingham_ipam_state_get(&key, &value)) times = (uint8_t)(value.ptr[0] + 1);
  policy_list_u8_t kept = {&times, 1};
  gingham_ipam_state_state_error_t error;
  bool is_kept = gingham_ipam_state_set(&key, &kept, &error);
  bool is_refused = !gingham_ipam_state_set(&empty, &kept, &error);
  policy_list_string_t keys;
  gingham_ipam_state_keys(&prefix, NULL, &keys);
  gingham_info("time %d, kept %d, refused %d as %d, %zu keys", times, is_kept, is_refused, error.tag, keys.len);
}

static void seen_of_shares(void) {
  gingham_range v4 = all(V4);
  policy_string_t me;
  gingham_ipam_shares_me(&me);
  policy_list_string_t members;
  gingham_ipam_shares_members(&members);
  gingham_ipam_shares_list_ip_prefix_t claimed;
  gingham_ipam_shares_claimed(&claimed);
  gingham_info("%s of %zu claimed %zu, unclaimed %llu", gingham_text(me), members.len, claimed.len,
               gingham_ipam_shares_unclaimed_count(&v4));
}

static bool choose(const char *key, gingham_request request, gingham_address *chosen, gingham_refusal *refusal) {
  if (gingham_reserved(key, chosen)) {
    gingham_info("reserved %s, again %d", gingham_address_text(*chosen), gingham_reserve(key, *chosen, 60));
    return true;
  }
  if (!gingham_take(request, prefix(V4), chosen, refusal)) return false;
  gingham_info("reservations %d %d %d %d", gingham_reserve("", *chosen, 1), gingham_reserve(key, address("192.0.2.1"), 1),
               gingham_reserve("other", address("10.32.0.9"), 60), gingham_reserve(key, address("10.32.0.9"), 60));
  policy_string_t other = gingham_bytes("other");
  if (!strcmp(key, "ends")) gingham_ipam_reservations_end(&other);
  return true;
}

static void answer_routes(gingham_answer *answer);

bool allocate(gingham_json config, gingham_context context, gingham_request request, gingham_answer *answer,
              gingham_refusal *refusal) {
  (void)config;
  seen_of_request(context, request);
  const char *kind = label(request, "refuse"), *key = label(request, "key");
  if (kind) return refuse(request, kind, refusal);
  seen_of_leases();
  use_state();
  seen_of_shares();
  gingham_address v4, v6, gateway = address("10.32.0.1");
  if (!choose(key ? key : "nobody", request, &v4, refusal)) return false;
  if (!gingham_next_free(all(V6), NULL, &v6)) return gingham_exhausted(refusal, "v6: no address is free");
  gingham_answer_address(answer, v4, 24, &gateway);
  gingham_answer_address(answer, v6, 64, NULL);
  answer_routes(answer);
  gingham_answer_reason(answer, "chosen for %s", gingham_container_id(request));
  printf("answered\n");
  return true;
}

// What gingham.h has no function for.
#include "calls.h"

static void answer_routes(gingham_answer *answer) {
  gingham_prefix destination = prefix("10.96.0.0/12");
  gingham_address gateway = address("10.32.0.1");
  gingham_ipam_addresses_own_route_t route = gingham_ipam_addresses_constructor_route(&destination);
  gingham_ipam_addresses_borrow_route_t borrowed = gingham_ipam_addresses_borrow_route(route);
  gingham_ipam_addresses_method_route_set_gateway(borrowed, &gateway);
  gingham_ipam_addresses_method_route_set_mtu(borrowed, 1400);
  gingham_ipam_addresses_method_route_set_priority(borrowed, 7);
  gingham_ipam_answers_method_answer_add_route(gingham_ipam_answers_borrow_answer(answer->answer), route);
}

void release(gingham_json config, gingham_context context, gingham_ended ended) {
  (void)config, (void)context;
  gingham_ipam_events_list_ip_address_t held;
  gingham_ipam_events_method_ended_addresses(ended, &held);
  gingham_info("%s/%s ended with %zu", shown(gingham_ended_pod_namespace(ended)), shown(gingham_ended_pod_name(ended)),
               held.len);
  for (size_t i = 0; i < held.len; i++) {
    gingham_info("%s kept %d", gingham_address_text(held.ptr[i]), gingham_reserve("kept", held.ptr[i], 60));
  }
}

void adopt(gingham_json config, gingham_context context, gingham_adopted adopted) {
  (void)config, (void)context;
  gingham_ipam_events_list_ip_address_t addresses;
  gingham_ipam_events_method_adopted_addresses(adopted, NULL, 9, &addresses);
  for (size_t i = 0; i < addresses.len; i++) gingham_info("adopted %s", gingham_address_text(addresses.ptr[i]));
}

void blocks(gingham_json config, gingham_context context, gingham_pools *grids) {
  (void)context;
  if (gingham_is_true(gingham_get(config, "offGrid"))) {
    gingham_problem(grids, "offGrid", "there is no grid");
    return;
  }
  gingham_add_grid(grids, prefix(V4), 28);
  gingham_add_grid(grids, prefix(V6), 80);
}

bool share(gingham_json config, size_t count, const char *const members[], const char *member, gingham_pools *ranges,
           gingham_refusal *refusal) {
  (void)config;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(members[i], member)) continue;
    gingham_add_share(ranges, i ? range("10.32.0.128", "10.32.0.255") : range("10.32.0.0", "10.32.0.127"));
    return true;
  }
  return gingham_denied(refusal, "%s is not a member", member);
}

bool next_block(gingham_json config, gingham_context context, uint32_t grid, gingham_prefix *block,
                gingham_refusal *refusal) {
  (void)config, (void)context;
  if (gingham_next_unclaimed(all(grid ? V6 : V4), NULL, block)) return true;
  return gingham_exhausted(refusal, "every block is claimed");
}
