#include "../test.h"

#include "base/clock.h"
#include "format/ack.h"

/* The ACK of `text` at 2024-03-05 06:07:08 UTC. */
static struct str ack_of(struct str text, enum ack_code code, const struct err *errs,
                         size_t errs_n) {
  struct er7_message message;
  struct buf buf;
  struct clock_civil at = {2024, 3, 5, 6, 7, 8, 0};
  buf_init_arena(&buf, test_arena, SIZE_MAX);
  assert_int_equal(er7_parse(test_arena, text, NULL, &message, NULL), 0);
  ack_write(&buf, &message, code, errs, errs_n, STR("K9"), clock_from_civil(at));
  return buf_str(&buf);
}

static struct err error_at(const char *where, enum err_code code, const char *text) {
  struct err err;
  err_set(&err, code, where, "%s", text);
  return err;
}

static void ack_swaps_sender_and_receiver(void **state) {
  (void)state;
  assert_str(
      ack_of(STR("MSH|^~\\&|LAB^1.2^ISO|NORTH|HIS|SOUTH|20240101||ORU^R01^ORU_R01|C7|T|2.5.1|"
                 "||AL|NE||UNICODE UTF-8\r"),
             ACK_ACCEPT, NULL, 0),
      "MSH|^~\\&|HIS|SOUTH|LAB^1.2^ISO|NORTH|20240305060708+0000||ACK^R01^ACK|K9|T|2.5.1||||||"
      "UNICODE UTF-8\rMSA|AA|C7\r");
}

static void ack_speaks_in_the_senders_delimiters(void **state) {
  (void)state;
  struct err err = error_at("PID-3(2).4", ERR_VALUE, "Use #1 or $2");
  assert_str(ack_of(STR("MSH#*+$%#LAB####1##ADT*A01#C$F$7#P#2.5\r"), ACK_ERROR, &err, 1),
             "MSH#*+$%###LAB##20240305060708+0000##ACK*A01*ACK#K9#P#2.5\r"
             "MSA#AE#C$F$7#Use $F$1 or $E$2\r"
             "ERR##PID*1*3*2*4#102*a value is not valid*HL70357#E###PID-3(2).4#Use $F$1 or $E$2\r");
}

static void ack_writes_err_in_the_form_of_the_version(void **state) {
  (void)state;
  struct err errs[] = {error_at("PID-7", ERR_VALUE, "No date"),
                       error_at("byte 17", ERR_STRUCTURE, "Cut off"),
                       error_at("OBX[3]-5", ERR_NOT_SUPPORTED, "No")};
  errs[2].severity = ERR_SEVERITY_WARNING;
  assert_str(ack_of(STR("MSH|^~\\&|LAB||HIS|||x|ORU^R01|1|P|2.3\r"), ACK_REJECT, errs, 3),
             "MSH|^~\\&|HIS||LAB||20240305060708+0000||ACK^R01|K9|P|2.3\rMSA|AR|1|No date\r"
             "ERR|PID^1^7^102&a value is not valid&HL70357~^^^100&the structure is not "
             "valid&HL70357~OBX^3^5^200&this is not supported&HL70357\r");
  assert_str(ack_of(STR("MSH|^~\\&|LAB||HIS||||ORU^R01|1|P|2.8\r"), ACK_REJECT, errs, 3),
             "MSH|^~\\&|HIS||LAB||20240305060708+0000||ACK^R01^ACK|K9|P|2.8\rMSA|AR|1\r"
             "ERR||PID^1^7^1|102^a value is not valid^HL70357|E|||PID-7|No date\r"
             "ERR|||100^the structure is not valid^HL70357|E|||byte 17|Cut off\r"
             "ERR||OBX^3^5^1|200^this is not supported^HL70357|W|||OBX[3]-5|No\r");
  assert_str(ack_of(STR("MSH|^~\\&|LAB||||||ORU|1|P|2.1\r"), ACK_ACCEPT, NULL, 0),
             "MSH|^~\\&|||LAB||20240305060708||ACK|K9|P|2.1\rMSA|AA|1\r");
}

static void ack_is_minimal_for_garbage(void **state) {
  (void)state;
  struct err err = error_at("byte 0", ERR_STRUCTURE, "Not HL7");
  struct buf buf;
  buf_init_arena(&buf, test_arena, SIZE_MAX);
  ack_write(&buf, NULL, ACK_REJECT, &err, 1, STR("K9"), 0);
  assert_str(buf_str(&buf), "MSH|^~\\&|||||19700101000000+0000||ACK|K9|P|2.5.1\rMSA|AR||Not HL7\r"
                            "ERR|||100^the structure is not valid^HL70357|E|||byte 0|Not HL7\r");
  struct er7_message message;
  assert_int_equal(er7_parse(test_arena, buf_str(&buf), NULL, &message, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(ack_swaps_sender_and_receiver),
      TEST(ack_speaks_in_the_senders_delimiters),
      TEST(ack_writes_err_in_the_form_of_the_version),
      TEST(ack_is_minimal_for_garbage),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
