#include "format/ack.h"

#include "base/clock.h"

static const char *const code_texts[] = {
    [ACK_ACCEPT] = "AA", [ACK_ERROR] = "AE", [ACK_REJECT] = "AR"};

struct ack {
  struct buf *buf;
  const struct er7_message *message; /* NULL: unreadable */
  struct er7_header header;
  struct er7_delimiters delimiters;
  unsigned version; /* 205 for 2.5; 0 unknown */
};

/* "2.5.1" -> 205; 0 for what isn't a version. */
static unsigned version_number(struct str version) {
  if (version.n < 3 || version.p[0] != '2' || version.p[1] != '.' || version.p[2] < '0' ||
      version.p[2] > '9')
    return 0;
  return 200 + (unsigned)(version.p[2] - '0');
}

static void add_separators(struct ack *ack, unsigned n) {
  for (unsigned i = 0; i < n; i++)
    buf_add_char(ack->buf, ack->delimiters.field);
}

static void add_text(struct ack *ack, struct str text) {
  er7_escape(ack->buf, &ack->delimiters, text);
}

/* A header field of the message as it stands: it is in the same delimiters. */
static void echo(struct ack *ack, uint16_t field) {
  ssize_t msh = ack->message ? er7_find(ack->message, STR("MSH"), 0) : -1;
  add_separators(ack, 1);
  if (msh >= 0)
    buf_add(ack->buf,
            str_trim(er7_raw(ack->message, (struct er7_place){(uint32_t)msh, field, 0, 0, 0})));
}

static void add_time(struct ack *ack, int64_t now_us) {
  struct clock_civil t = clock_to_civil(now_us);
  buf_printf(ack->buf, "%04d%02d%02d%02d%02d%02d", t.year, t.month, t.day, t.hour, t.minute,
             t.second);
  /* An offset came with 2.3 and makes the time mean the same everywhere. */
  if (ack->version == 0 || ack->version >= 203)
    buf_add(ack->buf, STR("+0000"));
}

static void add_encoding_characters(struct ack *ack) {
  const struct er7_delimiters *d = &ack->delimiters;
  const char all[] = {d->component, d->repetition, d->escape, d->subcomponent, d->truncation};
  for (size_t i = 0; i < sizeof all && all[i]; i++)
    buf_add_char(ack->buf, all[i]);
}

/* MSH-9: the event is echoed from 2.3.1 on, the structure named from 2.4 on. */
static void add_message_type(struct ack *ack) {
  bool has_event = ack->header.event.n && (ack->version >= 203 || ack->version == 0);
  buf_add(ack->buf, STR("ACK"));
  if (!has_event || ack->delimiters.component == '\0')
    return;
  buf_add_char(ack->buf, ack->delimiters.component);
  buf_add(ack->buf, ack->header.event);
  if (ack->version >= 204) {
    buf_add_char(ack->buf, ack->delimiters.component);
    buf_add(ack->buf, STR("ACK"));
  }
}

static void add_msh(struct ack *ack, struct str control_id, int64_t now_us) {
  buf_add(ack->buf, STR("MSH"));
  add_separators(ack, 1);
  add_encoding_characters(ack);
  echo(ack, 5);
  echo(ack, 6);
  echo(ack, 3);
  echo(ack, 4);
  add_separators(ack, 1);
  add_time(ack, now_us);
  add_separators(ack, 2);
  add_message_type(ack);
  add_separators(ack, 1);
  add_text(ack, control_id);
  if (ack->header.processing_id.n) {
    echo(ack, 11);
  } else {
    add_separators(ack, 1);
    buf_add_char(ack->buf, 'P');
  }
  if (ack->header.version.n) {
    echo(ack, 12);
  } else {
    add_separators(ack, 1);
    buf_add(ack->buf, STR("2.5.1"));
  }
  if (ack->header.charset.n) {
    add_separators(ack, 5);
    echo(ack, 18);
  }
  buf_add_char(ack->buf, '\r');
}

/* MSA-3 (a text) was withdrawn with 2.7; ERR-8 says it from 2.5 on. */
static void add_msa(struct ack *ack, enum ack_code code, const struct err *first) {
  buf_add(ack->buf, STR("MSA"));
  add_separators(ack, 1);
  buf_add_z(ack->buf, code_texts[code]);
  echo(ack, 10);
  if (first && ack->version < 207) {
    add_separators(ack, 1);
    add_text(ack, str_n(first->text, strnlen(first->text, 80)));
  }
  buf_add_char(ack->buf, '\r');
}

/* A place as in "PID-3(2).4.1" or "PID[2]-3", in parts; 0 where absent. */
struct location {
  struct str segment;
  unsigned sequence, field, repetition, component, subcomponent;
};

static bool take_number(struct str *rest, unsigned *ret_value) {
  size_t n = 0;
  unsigned value = 0;
  while (n < rest->n && n < 5 && rest->p[n] >= '0' && rest->p[n] <= '9')
    value = value * 10 + (unsigned)(rest->p[n++] - '0');
  if (n == 0)
    return false;
  *rest = str_slice(*rest, n, rest->n);
  *ret_value = value;
  return true;
}

/* `open` NUMBER `close`; true (and taken) when it is there. */
static bool take_part(struct str *rest, char open, char close, unsigned *ret_value) {
  if (rest->n == 0 || rest->p[0] != open)
    return false;
  struct str after = str_slice(*rest, 1, rest->n);
  if (!take_number(&after, ret_value))
    return false;
  if (close && (after.n == 0 || after.p[0] != close))
    return false;
  *rest = close ? str_slice(after, 1, after.n) : after;
  return true;
}

/* False when `where` is no place in a v2 message (a FHIRPath, a byte offset). */
static bool read_location(struct str where, struct location *ret_location) {
  struct location location = {.segment = str_slice(where, 0, 3), .sequence = 1};
  struct str rest = str_slice(where, 3, where.n);
  for (size_t i = 0; i < location.segment.n; i++) {
    char c = location.segment.p[i];
    if (!((c >= 'A' && c <= 'Z') || (i > 0 && c >= '0' && c <= '9')))
      return false;
  }
  take_part(&rest, '[', ']', &location.sequence);
  if (take_part(&rest, '-', '\0', &location.field)) {
    location.repetition = 1;
    take_part(&rest, '(', ')', &location.repetition);
    if (take_part(&rest, '.', '\0', &location.component))
      take_part(&rest, '.', '\0', &location.subcomponent);
  }
  if (location.segment.n != 3 || rest.n)
    return false;
  *ret_location = location;
  return true;
}

/* The parts of ERL (ERR-2) or of ELD (ERR-1), divided by `separator`; trailing absent ones left
 * out. */
static void add_location(struct ack *ack, const struct err *err, char separator) {
  struct location l;
  if (!read_location(str_of(err->where), &l))
    return;
  const unsigned parts[] = {l.sequence, l.field, l.repetition, l.component, l.subcomponent};
  size_t n = sizeof parts / sizeof *parts;
  while (n && parts[n - 1] == 0)
    n--;
  buf_add(ack->buf, l.segment);
  for (size_t i = 0; i < n; i++)
    buf_printf(ack->buf, "%c%u", separator, parts[i]);
}

static void add_err_condition(struct ack *ack, const struct err *err, char separator) {
  const struct err_facts *facts = err_facts(err->code);
  buf_add_z(ack->buf, facts->hl7_code);
  buf_add_char(ack->buf, separator);
  add_text(ack, str_of(facts->text));
  buf_add_char(ack->buf, separator);
  buf_add(ack->buf, STR("HL70357"));
}

static char severity_letter(enum err_severity severity) {
  switch (severity) {
  case ERR_SEVERITY_FATAL:
  case ERR_SEVERITY_ERROR:
    return 'E';
  case ERR_SEVERITY_WARNING:
    return 'W';
  case ERR_SEVERITY_INFORMATION:
    break;
  }
  return 'I';
}

/* ERR of 2.5 and later: 2 location, 3 condition, 4 severity, 7 diagnosis, 8 text for the user. */
static void add_err(struct ack *ack, const struct err *err) {
  char component = ack->delimiters.component;
  buf_add(ack->buf, STR("ERR"));
  add_separators(ack, 2);
  add_location(ack, err, component);
  add_separators(ack, 1);
  add_err_condition(ack, err, component);
  add_separators(ack, 1);
  buf_add_char(ack->buf, severity_letter(err->severity));
  add_separators(ack, 3);
  add_text(ack, str_of(err->where));
  add_separators(ack, 1);
  add_text(ack, str_of(err->text));
  buf_add_char(ack->buf, '\r');
}

/* ERR up to 2.4: field 1 repeats, {segment, sequence, field, code & text & system}. */
static void add_old_err(struct ack *ack, const struct err *errs, size_t errs_n) {
  const struct er7_delimiters *d = &ack->delimiters;
  buf_add(ack->buf, STR("ERR"));
  add_separators(ack, 1);
  for (size_t i = 0; i < errs_n; i++) {
    struct location l;
    bool has_place = read_location(str_of(errs[i].where), &l);
    if (i > 0 && d->repetition == '\0')
      break;
    if (i > 0)
      buf_add_char(ack->buf, d->repetition);
    if (has_place)
      buf_add(ack->buf, l.segment);
    buf_add_char(ack->buf, d->component);
    if (has_place)
      buf_add_u64(ack->buf, l.sequence);
    buf_add_char(ack->buf, d->component);
    if (has_place && l.field)
      buf_add_u64(ack->buf, l.field);
    buf_add_char(ack->buf, d->component);
    if (d->subcomponent)
      add_err_condition(ack, &errs[i], d->subcomponent);
    else
      buf_add_z(ack->buf, err_facts(errs[i].code)->hl7_code);
  }
  buf_add_char(ack->buf, '\r');
}

void ack_write(struct buf *buf, const struct er7_message *message, enum ack_code code,
               const struct err *errs, size_t errs_n, struct str control_id, int64_t now_us) {
  struct ack ack = {
      .buf = buf,
      .message = message,
      .delimiters = {'|', '^', '~', '\\', '&', '\0'},
  };
  if (message) {
    ack.delimiters = message->delimiters;
    er7_header(message, &ack.header);
  }
  ack.version = version_number(ack.header.version);
  if (ack.version == 0)
    ack.version = 205;
  add_msh(&ack, control_id, now_us);
  add_msa(&ack, code, errs_n ? errs : NULL);
  if (errs_n == 0)
    return;
  if (ack.version < 205) {
    add_old_err(&ack, errs, errs_n);
    return;
  }
  for (size_t i = 0; i < errs_n; i++)
    add_err(&ack, &errs[i]);
}
