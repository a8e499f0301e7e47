/* The opening handshake for JavaScript: check(), protocols(), response(). */
#ifndef WSU_UPGRADE_H
#define WSU_UPGRADE_H

#include <node_api.h>

/*
 * check(method, upgrade, key, version, contentLength, transferEncoding): 0, or
 * the number of a refusal. Headers are strings or undefined.
 */
napi_value wsu_call_check(napi_env napi, napi_callback_info info);

/* protocols(header): an array of tokens, or undefined if that is no list. */
napi_value wsu_call_protocols(napi_env napi, napi_callback_info info);

/*
 * response(key, protocol, lines): the 101 response. The protocol and `lines`,
 * header lines that end in CRLF, may be undefined.
 */
napi_value wsu_call_response(napi_env napi, napi_callback_info info);

#endif
