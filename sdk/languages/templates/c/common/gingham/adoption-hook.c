// For policies that are called when leases were adopted.

#include "calls.h"

void exports_gingham_ipam_adoption_hook_adopt(policy_string_t *config, gingham_context context, gingham_adopted adopted) {
  adopt(gingham_text(*config), context, adopted);
  gingham_flush();
}
