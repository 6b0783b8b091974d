/* A shared library, but not a plugin. */
int nothing_of_viaduct(void);
int nothing_of_viaduct(void) {
  return 0;
}
