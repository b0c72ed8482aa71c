/* The compression dictionary that the build trains on the specification's example resources. */
#ifndef STORE_DICTIONARY_DICTIONARY_H
#define STORE_DICTIONARY_DICTIONARY_H

#include <stddef.h>

extern const unsigned char dictionary_bytes[];
extern const size_t dictionary_n;

#endif
