// For policies that are called when attachments end.

#include "calls.h"

void exports_gingham_ipam_release_hook_release(policy_string_t *config, gingham_context context, gingham_ended ended) {
  release(gingham_text(*config), context, ended);
  gingham_flush();
}
