/* For AArch64, preloaded. Code for Android keeps its stack's guard at 0x28 beyond the thread
   pointer, where glibc has variables of the libraries that came first: this is the first, and its
   variable takes that place. */
__thread char android_thread_slots[48] __attribute__((aligned(16), tls_model("initial-exec")));

char *android_first_slot(void) { return android_thread_slots; }
