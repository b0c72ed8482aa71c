/* A store in a file with something of each kind, and a folder for what is made of it. */
#ifndef TEST_UNIT_STORE_MOVE_FIXTURE_H
#define TEST_UNIT_STORE_MOVE_FIXTURE_H

#include "store_fixture.h"

#include <dirent.h>
#include <sqlite3.h>

static void run_sql(sqlite3 *db, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
    fail_msg("%s: %s", sql, message);
}

static const char *other_path(const char *name) {
  return text_of("%s/%s", fixture_folder, name);
}

static void fill(void) {
  fixture_open();
  for (int i = 0; i < 300; i++) {
    struct store_write write = write_of("Patient", text_of("p%d", i), "one");
    add_identifier(&write, "urn:s", text_of("c%d", i));
    assert_int_equal(commit(&write, 1), 0);
  }
  struct store_write again = write_of("Patient", "p1", "two"), gone = write_of("Patient", "p2", "");
  add_identifier(&again, "urn:s", "other");
  assert_int_equal(commit(&again, 1), 0);
  gone.is_delete = true;
  assert_int_equal(commit(&gone, 1), 0);
  struct store_commit *message = commit_of(NULL, 0);
  message->message = ARENA_NEW(test_arena, struct store_message);
  /* Bytes that are no text anywhere: NUL, Latin-1, an unpaired surrogate. */
  *message->message = (struct store_message){.channel = STR("mllp:2575"),
                                             .sender = STR("A|\xe4"),
                                             .control_id = STR("1\0002"),
                                             .type = STR("ADT"),
                                             .event = STR("A01"),
                                             .raw = STR("MSH|\0|\xff\xed\xa0\x80"),
                                             .reply = STR("MSA|AA"),
                                             .status = STORE_MESSAGE_ACCEPTED,
                                             .received_us = 1};
  struct store_audit audit = {STR("create"), STR("Patient/audited"), STR("0"), STR("")};
  message->audits = &audit;
  message->audits_n = 1;
  struct err err;
  if (store_commit_wait(fixture_store, message, &err) != 0)
    fail_msg("%s", err.text);
  store_close(fixture_store);
  fixture_store = NULL;
}

static int move_teardown(void **state) {
  struct dirent *entry;
  DIR *folder = opendir(fixture_folder);
  while (folder && (entry = readdir(folder)))
    unlinkat(dirfd(folder), entry->d_name, 0);
  if (folder)
    closedir(folder);
  return fixture_teardown(state);
}

#endif
