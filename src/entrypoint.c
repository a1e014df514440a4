/* R calls R_init_innsight() when it loads the library. That this function calls into the Rust
 * archive is also what keeps the linker from dropping it. */
#include <R_ext/Rdynload.h>

void register_extendr_panic_hook(void);
void R_init_innsight_extendr(DllInfo *dll);

void R_init_innsight(DllInfo *dll) {
  register_extendr_panic_hook();
  R_init_innsight_extendr(dll);
}
