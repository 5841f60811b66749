/* Android's libm and libdl: their functions are in libc.so here, but the linker looks for the
   version in each library that is asked for. */
int libc_version;
