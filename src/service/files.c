#include "service/files.h"

#include "console/console.h"
#include "link/gzip.h"

#define PACKED_MAX_BYTES ((size_t)64 << 20)

/* Scripts and styles from this server only, nothing inline, no frames, no plug-ins, no forms. */
static const char content_security_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

struct file {
  const struct console_file *file;
  struct str packed; /* empty where that would not be smaller */
};

struct files {
  struct arena *arena;
  struct file *list;
  size_t n;
};

static int pack_all(struct files *files, struct err *reterr) {
  const struct console_file *list = console_files(&files->n);
  files->list = ARENA_ARRAY(files->arena, struct file, files->n + 1);
  if (!files->list)
    return err_no_memory(reterr);
  for (size_t i = 0; i < files->n; i++) {
    struct str packed;
    files->list[i].file = &list[i];
    int code = gzip_compress(files->arena, list[i].bytes, 9, &packed, reterr);
    if (code)
      return code;
    if (packed.n < list[i].bytes.n)
      files->list[i].packed = packed;
  }
  return 0;
}

int files_open(struct files **ret_files, struct err *reterr) {
  struct arena *arena = arena_new(PACKED_MAX_BYTES);
  struct files *files = arena ? ARENA_NEW(arena, struct files) : NULL;
  if (!files) {
    arena_free(arena);
    return err_no_memory(reterr);
  }
  files->arena = arena;
  int code = pack_all(files, reterr);
  if (code) {
    arena_free(arena);
    return code;
  }
  *ret_files = files;
  return 0;
}

void files_close(struct files *files) {
  if (files)
    arena_free(files->arena);
}

static const struct file *find(const struct files *files, struct str path) {
  for (size_t i = 0; i < files->n; i++)
    if (str_is(path, files->list[i].file->path))
      return &files->list[i];
  return NULL;
}

static void add_header(struct http_response *response, const char *name, struct str value) {
  response->headers[response->headers_n++] = (struct http_header){name, value};
}

static void refuse(struct http_request *request, int status, struct str text) {
  struct http_response response = {
      .status = status, .content_type = STR("text/plain; charset=utf-8"), .body = text};
  if (status == 405)
    add_header(&response, "Allow", STR("GET, HEAD"));
  http_respond(request, &response);
}

static bool client_has(const struct http_request *request, const struct console_file *file) {
  return str_find(http_request_header(request, "If-None-Match"), str_of(file->etag)) >= 0;
}

void files_handle(const struct files *files, struct http_request *request) {
  const struct file *found = find(files, request->path);
  if (!found) {
    refuse(request, 404, STR("There is nothing at this address.\n"));
    return;
  }
  if (!str_is(request->method, "GET") && !str_is(request->method, "HEAD")) {
    refuse(request, 405, STR("Only GET and HEAD are possible here.\n"));
    return;
  }
  struct http_response response = {
      .status = 200, .content_type = str_of(found->file->content_type), .body = found->file->bytes};
  add_header(&response, "ETag", str_of(found->file->etag));
  add_header(&response, "Cache-Control", STR("no-cache"));
  add_header(&response, "Content-Security-Policy", str_of(content_security_policy));
  add_header(&response, "Referrer-Policy", STR("no-referrer"));
  add_header(&response, "X-Frame-Options", STR("DENY"));
  if (client_has(request, found->file)) {
    response.status = 304;
    response.body = STR_NULL;
  } else if (found->packed.n > 0 && http_request_accepts_encoding(request, "gzip")) {
    response.body = found->packed;
    add_header(&response, "Content-Encoding", STR("gzip"));
  }
  http_respond(request, &response);
}
