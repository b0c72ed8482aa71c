#include "model/place.h"

void place_write(struct buf *buf, const struct place *place) {
  if (place->up) {
    place_write(buf, place->up);
    buf_add_char(buf, '.');
  }
  buf_add(buf, place->name);
  if (place->index >= 0)
    buf_printf(buf, "[%zd]", place->index);
}
