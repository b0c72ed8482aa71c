#include "main/simulate/messages.h"

const struct message_facts message_facts[MESSAGE_KINDS_N] = {
#define X(kind, system, type, event, structure, write)                                             \
  [kind] = {system, type, event, structure, write},
    MESSAGE_TABLE(X)
#undef X
};

void message_compose(struct buf *buf, enum message_kind kind, const struct occasion *o,
                     const struct subject *s) {
  const struct message_facts *facts = &message_facts[kind];
  if (!facts->write) {
    buf_clear(buf);
    if (kind == MESSAGE_HOME_READING)
      fhir_write_home_reading(buf, o, s);
    else
      fhir_write_booking(buf, o, s);
    return;
  }
  struct occasion occasion = *o;
  struct v2_writer w;
  occasion.event = facts->event;
  occasion.system = facts->system;
  v2_begin(&w, facts->system, buf);
  segment_msh(&w, &occasion, facts->type, facts->event, facts->structure);
  if (strcmp(facts->type, "ADT") == 0 || strcmp(facts->type, "MDM") == 0)
    segment_evn(&w, &occasion, facts->event);
  facts->write(&w, &occasion, s);
  v2_end(&w);
}
