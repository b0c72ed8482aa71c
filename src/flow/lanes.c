#include "flow/lanes.h"

#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>

#define LANES 1024u
#define NO_LANE LANES
#define NUMBERS 8192u

struct lane {
  bool is_busy;
  struct lane_item *first, *last; /* waiting */
};

struct lanes {
  pthread_mutex_t lock;
  struct hash_key key;
  struct lane lanes[LANES];
  uint16_t lane_of_number[NUMBERS]; /* of the patient's own lane + 1; 0: not known */
};

struct lanes *lanes_new(void) {
  struct lanes *lanes = calloc(1, sizeof *lanes);
  if (!lanes)
    return NULL;
  lanes->key = hash_key_random();
  pthread_mutex_init(&lanes->lock, NULL);
  return lanes;
}

void lanes_free(struct lanes *lanes) {
  if (!lanes)
    return;
  pthread_mutex_destroy(&lanes->lock);
  free(lanes);
}

/* ---- Which lane ---- */

static struct str without_mark(struct str text) {
  return str_starts_with(text, STR("\xEF\xBB\xBF")) ? str_slice(text, 3, text.n) : text;
}

/* What follows "PID|" of the first PID segment; a null text when there is none. */
static struct str patient_segment(struct str text) {
  if (text.n < 9 || !str_starts_with(text, STR("MSH")))
    return STR_NULL;
  const char name[] = {'P', 'I', 'D', text.p[3]};
  for (size_t from = 3;;) {
    ssize_t at = str_find(str_slice(text, from, text.n), str_n(name, sizeof name));
    if (at < 0)
      return STR_NULL;
    from += (size_t)at + sizeof name;
    char before = text.p[from - sizeof name - 1];
    if (before != '\r' && before != '\n')
      continue;
    size_t end = from;
    while (end < text.n && text.p[end] != '\r' && text.p[end] != '\n')
      end++;
    return str_slice(text, from, end - from);
  }
}

static struct str patient_number(struct str text) {
  text = without_mark(text);
  struct str rest = patient_segment(text), fields[5] = {0}, field, number;
  if (rest.n == 0) /* and so perhaps no separators */
    return STR_NULL;
  for (size_t i = 1; i <= 4 && str_split(&rest, text.p[3], &field); i++)
    if (str_split(&field, text.p[4], &number))
      fields[i] = number;
  return fields[3].n ? fields[3] : fields[2].n ? fields[2] : fields[4];
}

static struct lane *lane_of(struct lanes *lanes, const struct lane_item *item) {
  return item->lane == NO_LANE ? NULL : &lanes->lanes[item->lane];
}

static void choose_lane(struct lanes *lanes, struct lane_item *item, struct str text) {
  struct str number = patient_number(text);
  item->lane = NO_LANE;
  if (str_is_empty(number))
    return;
  item->number = (uint32_t)(hash_siphash(lanes->key, number) % NUMBERS);
  uint16_t known = lanes->lane_of_number[item->number];
  item->lane = known ? known - 1u : item->number % LANES;
}

void lanes_learn(struct lanes *lanes, const struct lane_item *item, struct str patient_id) {
  if (item->lane == NO_LANE)
    return;
  uint64_t lane = hash_siphash(lanes->key, patient_id) % LANES;
  pthread_mutex_lock(&lanes->lock);
  lanes->lane_of_number[item->number] = (uint16_t)(lane + 1);
  pthread_mutex_unlock(&lanes->lock);
}

/* ---- One at a time ---- */

static void wait_in(struct lane *lane, struct lane_item *item) {
  item->next = NULL;
  if (lane->last)
    lane->last->next = item;
  else
    lane->first = item;
  lane->last = item;
}

bool lanes_enter(struct lanes *lanes, struct lane_item *item, struct str text) {
  pthread_mutex_lock(&lanes->lock);
  choose_lane(lanes, item, text);
  struct lane *lane = lane_of(lanes, item);
  bool is_ready = !lane || !lane->is_busy;
  if (!is_ready)
    wait_in(lane, item);
  else if (lane)
    lane->is_busy = true;
  pthread_mutex_unlock(&lanes->lock);
  return is_ready;
}

struct lane_item *lanes_leave(struct lanes *lanes, const struct lane_item *item) {
  if (item->lane == NO_LANE)
    return NULL;
  pthread_mutex_lock(&lanes->lock);
  struct lane *lane = &lanes->lanes[item->lane];
  struct lane_item *next = lane->first;
  if (next) {
    lane->first = next->next;
    if (!lane->first)
      lane->last = NULL;
  } else {
    lane->is_busy = false;
  }
  pthread_mutex_unlock(&lanes->lock);
  return next;
}
