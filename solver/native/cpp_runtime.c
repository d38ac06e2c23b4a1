/*
 * Functions that the C++ runtime calls.
 */
typedef void (*new_handler)(void);

/* Set by solver/src/memory.rs; no handler until then. */
new_handler solvemesh_new_handler = 0;

/*
 * std::get_new_handler of C++, which operator new asks when an allocation fails.
 *
 * mimalloc's C code has a weak definition of it that returns no handler, and in a program that one
 * hides the C++ library's: std::set_new_handler would have no effect. This strong definition hides
 * both. It is in C and not in Rust so that the linker exports it to the C++ library in every
 * profile: link-time optimisation makes the symbols of Rust private to a program.
 */
new_handler _ZSt15get_new_handlerv(void) { return solvemesh_new_handler; }

#ifdef SOLVEMESH_STATIC_LIBSTDCXX
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/*
 * Random bits for std::random_device. glibc has this function from 2.36 on, and the libstdc++.a of a
 * system with such a glibc calls it: a program that contains that archive would not start on an older
 * system.
 */
uint32_t arc4random(void) {
  uint32_t bits;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) abort();
  return bits;
}
#endif
