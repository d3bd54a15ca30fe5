// The configuration. The host sends valid JSON, so values only have to be found here.

#include <strings.h>

#include "gingham.h"

static const char *after_space(const char *at) {
  while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
  return at;
}

static const char *after_string(const char *at) {
  for (at++; *at && *at != '"'; at++) {
    if (*at == '\\' && at[1]) at++;
  }
  return *at ? at + 1 : at;
}

// Behind a value: a string, or everything up to the comma or bracket that ends it.
static const char *after_value(const char *at) {
  size_t depth = 0;
  for (; *at; at++) {
    if (*at == '"') {
      at = after_string(at) - 1;
    } else if (*at == '{' || *at == '[') {
      depth++;
    } else if (*at == '}' || *at == ']') {
      if (depth == 0) break;
      depth--;
    } else if (*at == ',' && depth == 0) {
      break;
    }
  }
  return at;
}

// Behind the comma after a value. NULL at the end of an object or array.
static const char *next(const char *value) {
  const char *at = after_value(value);
  return *at == ',' ? after_space(at + 1) : NULL;
}

// The first member of an object ('{') or array ('['). NULL if it has none, or is not one.
static const char *first(gingham_json value, char opening) {
  if (!value || *value != opening) return NULL;
  const char *at = after_space(value + 1);
  return *at == '}' || *at == ']' ? NULL : at;
}

static gingham_json unless_null(gingham_json value) {
  return value && strncmp(value, "null", 4) != 0 ? value : NULL;
}

gingham_json gingham_get(gingham_json object, const char *key) {
  size_t length = strlen(key);
  gingham_json in_another_case = NULL;
  for (const char *at = first(object, '{'); at;) {
    const char *end = after_string(at);
    const char *value = after_space(after_space(end) + 1);
    bool has_length = (size_t)(end - at) == length + 2;
    if (has_length && memcmp(at + 1, key, length) == 0) return unless_null(value);
    if (has_length && strncasecmp(at + 1, key, length) == 0) in_another_case = value;
    at = next(value);
  }
  return unless_null(in_another_case);
}

gingham_json gingham_item(gingham_json array, size_t index) {
  const char *at = first(array, '[');
  while (at && index--) at = next(at);
  return unless_null(at);
}

static size_t write_utf8(char *to, uint32_t code) {
  if (code < 0x80) return to[0] = (char)code, 1;
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
  to[0] = (char)((0xf00 >> length & 0xf0) | code);
  return length;
}

static uint32_t code_unit(const char *digits) {
  char text[5] = {digits[0], digits[1], digits[2], digits[3], 0};
  return (uint32_t)strtoul(text, NULL, 16);
}

// The character of an escape sequence; `at` is moved to its last byte.
static uint32_t escaped(const char **at) {
  static const char LETTERS[] = "bfnrt", MEANINGS[] = "\b\f\n\r\t";
  const char *letter = strchr(LETTERS, **at);
  if (letter) return (uint32_t)MEANINGS[letter - LETTERS];
  if (**at != 'u') return (unsigned char)**at;
  uint32_t code = code_unit(*at + 1);
  *at += 4;
  if (code >= 0xd800 && code < 0xdc00 && (*at)[1] == '\\') {
    code = 0x10000 + ((code - 0xd800) << 10) + (code_unit(*at + 3) - 0xdc00);
    *at += 6;
  }
  return code;
}

const char *gingham_string(gingham_json value) {
  if (!value || *value != '"') return NULL;
  const char *end = after_string(value) - 1;
  char *text = malloc((size_t)(end - value)), *to = text;
  for (const char *at = value + 1; at < end; at++) {
    if (*at != '\\') {
      *to++ = *at;
    } else {
      at++;
      to += write_utf8(to, escaped(&at));
    }
  }
  *to = 0;
  return text;
}

bool gingham_number(gingham_json value, uint64_t *number) {
  if (!value || *value < '0' || *value > '9') return false;
  uint64_t sum = 0;
  const char *at = value;
  for (; *at >= '0' && *at <= '9'; at++) {
    uint64_t digit = (uint64_t)(*at - '0');
    if (sum > (UINT64_MAX - digit) / 10) return false;
    sum = sum * 10 + digit;
  }
  if (*at == '.' || *at == 'e' || *at == 'E') return false;
  *number = sum;
  return true;
}

bool gingham_is_true(gingham_json value) {
  return value && strncmp(value, "true", 4) == 0;
}

bool gingham_get_prefix(gingham_json object, const char *key, gingham_prefix *prefix) {
  const char *text = gingham_string(gingham_get(object, key));
  return text && gingham_parse_prefix(text, prefix);
}

bool gingham_get_address(gingham_json object, const char *key, gingham_address *address) {
  const char *text = gingham_string(gingham_get(object, key));
  return text && gingham_parse_address(text, address);
}
