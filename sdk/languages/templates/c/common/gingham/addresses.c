// Addresses as numbers and as texts.

#include <arpa/inet.h>

#include "gingham.h"

enum { V4 = GINGHAM_IPAM_ADDRESSES_IP_ADDRESS_IPV4, V6 = GINGHAM_IPAM_ADDRESSES_IP_ADDRESS_IPV6 };

static size_t size_of(gingham_address address) {
  return address.tag == V4 ? 4 : 16;
}

// The bytes in network order; returns how many.
static size_t to_bytes(gingham_address address, uint8_t bytes[16]) {
  if (address.tag == V4) {
    memcpy(bytes, &address.val.ipv4, 4);
  } else {
    const uint16_t *groups = &address.val.ipv6.f0;
    for (size_t i = 0; i < 8; i++) bytes[2 * i] = (uint8_t)(groups[i] >> 8), bytes[2 * i + 1] = (uint8_t)groups[i];
  }
  return size_of(address);
}

static gingham_address from_bytes(uint8_t tag, const uint8_t bytes[16]) {
  gingham_address address = {.tag = tag};
  if (tag == V4) {
    memcpy(&address.val.ipv4, bytes, 4);
  } else {
    uint16_t *groups = &address.val.ipv6.f0;
    for (size_t i = 0; i < 8; i++) groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
  return address;
}

// The address with all bits behind the first `length` set or cleared.
static gingham_address filled(gingham_address address, uint8_t length, bool set) {
  uint8_t bytes[16];
  size_t size = to_bytes(address, bytes);
  for (size_t bit = length; bit < size * 8; bit++) {
    uint8_t mask = (uint8_t)(0x80 >> bit % 8);
    if (set) bytes[bit / 8] |= mask;
    else bytes[bit / 8] &= (uint8_t)~mask;
  }
  return from_bytes(address.tag, bytes);
}

bool gingham_parse_address(const char *text, gingham_address *address) {
  uint8_t bytes[16] = {0};
  for (int tag = V4; tag <= V6; tag++) {
    if (inet_pton(tag == V4 ? AF_INET : AF_INET6, text, bytes) == 1) {
      *address = from_bytes((uint8_t)tag, bytes);
      return true;
    }
  }
  return false;
}

bool gingham_parse_prefix(const char *text, gingham_prefix *prefix) {
  const char *slash = strchr(text, '/');
  if (!slash || !gingham_parse_address(gingham_format("%.*s", (int)(slash - text), text), &prefix->address)) {
    return false;
  }
  char *end;
  unsigned long length = strtoul(slash + 1, &end, 10);
  bool is_number = slash[1] >= '0' && slash[1] <= '9' && *end == 0;
  if (!is_number || length > size_of(prefix->address) * 8) return false;
  prefix->length = (uint8_t)length;
  return true;
}

const char *gingham_address_text(gingham_address address) {
  uint8_t bytes[16];
  to_bytes(address, bytes);
  char *text = malloc(INET6_ADDRSTRLEN);
  return inet_ntop(address.tag == V4 ? AF_INET : AF_INET6, bytes, text, INET6_ADDRSTRLEN);
}

const char *gingham_prefix_text(gingham_prefix prefix) {
  return gingham_format("%s/%d", gingham_address_text(prefix.address), prefix.length);
}

int gingham_compare(gingham_address one, gingham_address other) {
  if (one.tag != other.tag) return one.tag - other.tag;
  uint8_t first[16], second[16];
  size_t size = to_bytes(one, first);
  to_bytes(other, second);
  return memcmp(first, second, size);
}

bool gingham_contains(gingham_range range, gingham_address address) {
  return range.first.tag == address.tag && gingham_compare(range.first, address) <= 0 &&
         gingham_compare(address, range.last) <= 0;
}

gingham_range gingham_range_of(gingham_prefix network) {
  return (gingham_range){filled(network.address, network.length, false), filled(network.address, network.length, true)};
}

gingham_prefix gingham_network_of(gingham_prefix prefix) {
  return (gingham_prefix){filled(prefix.address, prefix.length, false), prefix.length};
}

bool gingham_first_host(gingham_prefix network, gingham_address *address) {
  if (size_of(network.address) * 8 - network.length < 2) return false;
  uint8_t bytes[16];
  size_t size = to_bytes(filled(network.address, network.length, false), bytes);
  bytes[size - 1]++;
  *address = from_bytes(network.address.tag, bytes);
  return true;
}
