#include "main/simulate/writer.h"

#include "base/clock.h"

#include <stdarg.h>

const struct sending_system sending_systems[SYSTEMS_N] = {
    [SYSTEM_HIS] = {.application = "HIS",
                    .facility = "ALBAN",
                    .version = "2.5.1",
                    .delimiters = "|^~\\&",
                    .charset = "UNICODE UTF-8",
                    .authority = "ALBAN",
                    .authority_oid = "2.999.1.1",
                    .number_prefix = "A",
                    .time_style = TIME_OFFSET,
                    .has_message_structure = true,
                    .carries_mrn_percent = 100},
    [SYSTEM_LAB] = {.application = "LABCORE",
                    .facility = "ALBANLAB",
                    .version = "2.5.1",
                    .delimiters = "|^~\\&",
                    .charset = "UNICODE UTF-8",
                    .authority = "LABCORE",
                    .authority_oid = "2.999.1.2",
                    .number_prefix = "L",
                    .time_style = TIME_MINUTES,
                    .has_message_structure = true,
                    .carries_mrn_percent = 99},
    [SYSTEM_RIS] = {.application = "RADIS",
                    .facility = "IMAGING",
                    .version = "2.3",
                    .delimiters = "#!*\\%",
                    .charset = "8859/1",
                    .authority = "RADIS",
                    .authority_oid = "2.999.1.3",
                    .number_prefix = "RX",
                    .time_style = TIME_SECONDS,
                    .is_latin = true,
                    .has_bare_authority = true,
                    .carries_mrn_percent = 95},
    [SYSTEM_SCHED] = {.application = "SCHED",
                      .facility = "ALBAN",
                      .version = "2.5.1",
                      .delimiters = "|^~\\&",
                      .charset = "",
                      .authority = "SCHED",
                      .authority_oid = "2.999.1.4",
                      .number_prefix = "S",
                      .time_style = TIME_SECONDS,
                      .has_message_structure = true,
                      .carries_mrn_percent = 99},
    [SYSTEM_PHARM] = {.application = "PHARM",
                      .facility = "ALBANRX",
                      .version = "2.5.1",
                      .delimiters = "|^~\\&",
                      .charset = "UNICODE UTF-8",
                      .authority = "PHARM",
                      .authority_oid = "2.999.1.5",
                      .number_prefix = "",
                      .time_style = TIME_OFFSET,
                      .has_bare_authority = true,
                      .carries_mrn_percent = 97},
    [SYSTEM_CLINIC] = {.application = "CLINICA",
                       .facility = "HARBOUR",
                       .version = "2.8",
                       .delimiters = "|^~\\&#",
                       .charset = "UNICODE UTF-8",
                       .authority = "HARBOUR",
                       .authority_oid = "2.999.1.6",
                       .number_prefix = "HC-",
                       .time_style = TIME_MILLIS,
                       .has_message_structure = true,
                       .carries_mrn_percent = 85},
    [SYSTEM_PORTAL] = {.application = "PORTAL",
                       .facility = "ALBAN",
                       .version = "4.0.1",
                       .delimiters = "|^~\\&",
                       .charset = "",
                       .authority = "PORTAL",
                       .authority_oid = "2.999.1.7",
                       .number_prefix = "u",
                       .carries_mrn_percent = 100},
};

void sending_system_uri(enum system_id id, char *ret_uri, size_t bytes) {
  if (id == SYSTEM_PORTAL)
    snprintf(ret_uri, bytes, "urn:oid:%s", sending_systems[id].authority_oid);
  else
    snprintf(ret_uri, bytes, "%s", sending_systems[id].authority);
}

void v2_begin(struct v2_writer *w, enum system_id system, struct buf *buf) {
  const char *d = sending_systems[system].delimiters;
  *w = (struct v2_writer){.buf = buf,
                          .system = &sending_systems[system],
                          .delimiters = {d[0], d[1], d[2], d[3], d[4], d[5]}};
  buf_clear(buf);
}

static void end_segment(struct v2_writer *w) {
  struct buf *buf = w->buf;
  while (buf->n && buf->p[buf->n - 1] == w->delimiters.field)
    buf->n--;
  if (buf->n)
    buf_add_char(buf, '\r');
}

void v2_segment(struct v2_writer *w, const char *name) {
  end_segment(w);
  buf_add_z(w->buf, name);
  w->is_msh = strcmp(name, "MSH") == 0;
  w->field = w->is_msh ? 2 : 0;
  if (w->is_msh)
    buf_add_z(w->buf, w->system->delimiters);
}

static void put_time(struct v2_writer *w, int64_t at_us) {
  struct clock_civil t = clock_to_civil(at_us);
  buf_printf(w->buf, "%04d%02d%02d%02d%02d", t.year, t.month, t.day, t.hour, t.minute);
  switch (w->system->time_style) {
  case TIME_OFFSET:
    buf_printf(w->buf, "%02d+0000", t.second);
    break;
  case TIME_SECONDS:
    buf_printf(w->buf, "%02d", t.second);
    break;
  case TIME_MILLIS:
    buf_printf(w->buf, "%02d.%03d+0000", t.second, t.microsecond / 1000);
    break;
  case TIME_MINUTES:
    break;
  }
}

static void put_date(struct v2_writer *w, int64_t at_us) {
  struct clock_civil t = clock_to_civil(at_us);
  buf_printf(w->buf, "%04d%02d%02d", t.year, t.month, t.day);
}

static void put_literal(struct v2_writer *w, char c) {
  const struct er7_delimiters *d = &w->delimiters;
  buf_add_char(w->buf, c == '^'   ? d->component
                       : c == '~' ? d->repetition
                       : c == '&' ? d->subcomponent
                                  : c);
}

/* Drops separators that have nothing after them. */
static void trim_field(struct v2_writer *w, size_t start) {
  struct buf *buf = w->buf;
  while (buf->n > start && (buf->p[buf->n - 1] == w->delimiters.component ||
                            buf->p[buf->n - 1] == w->delimiters.repetition ||
                            buf->p[buf->n - 1] == w->delimiters.subcomponent))
    buf->n--;
}

void v2_put(struct v2_writer *w, unsigned field, const char *format, ...) {
  for (; w->field < field; w->field++)
    buf_add_char(w->buf, w->delimiters.field);
  size_t start = w->buf->n;
  va_list args;
  va_start(args, format);
  for (const char *f = format; *f; f++) {
    if (*f != '%') {
      put_literal(w, *f);
      continue;
    }
    switch (*++f) {
    case 's':
      er7_escape(w->buf, &w->delimiters, str_of(va_arg(args, const char *)));
      break;
    case 'u':
      buf_add_u64(w->buf, va_arg(args, unsigned));
      break;
    case '0': /* %07u */
      buf_printf(w->buf, "%0*u", f[1] - '0', va_arg(args, unsigned));
      f += 2;
      break;
    case 't':
      put_time(w, va_arg(args, int64_t));
      break;
    case 'D':
      put_date(w, va_arg(args, int64_t));
      break;
    default:
      abort(); /* a fault of the program: the formats are literals */
    }
  }
  va_end(args);
  trim_field(w, start);
}

/* UTF-8 to ISO 8859-1, in place; what that can't hold becomes '?'. */
static void to_latin(struct buf *buf) {
  size_t n = 0;
  for (size_t i = 0; i < buf->n; i++) {
    unsigned char c = (unsigned char)buf->p[i];
    if (c < 0x80) {
      buf->p[n++] = (char)c;
    } else if (c <= 0xC3 && i + 1 < buf->n) {
      buf->p[n++] = (char)((c & 3) << 6 | (buf->p[++i] & 0x3F));
    } else {
      buf->p[n++] = '?';
      while (i + 1 < buf->n && (buf->p[i + 1] & 0xC0) == 0x80)
        i++;
    }
  }
  buf->n = n;
}

void v2_end(struct v2_writer *w) {
  end_segment(w);
  if (w->system->is_latin)
    to_latin(w->buf);
}
