/*
 * standalone.c - a main() for the fuzz targets without libFuzzer: replays the
 * files named as arguments, and those in directories named; without arguments
 * those in NSX_FUZZ_CORPUS.  Says so as a TAP test.
 */
#define _DEFAULT_SOURCE 1
#define _DARWIN_C_SOURCE 1
#include "fuzz.h"

#include <dirent.h>

static int replayed;

static void
replay_file(FILE *f)
{
    const size_t most = 1 << 20;
    uint8_t *block = malloc(most), *exact;
    size_t n;

    CHECK(block != NULL);
    n = fread(block, 1, most, f);
    /* Of exact size, so that a sanitizer sees one octet too far. */
    exact = malloc(n > 0 ? n : 1);
    CHECK(exact != NULL);
    memcpy(exact, block, n);
    free(block);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    replayed++;
}

static int
replay(const char *path)
{
    char name[4096];
    struct dirent *entry;
    DIR *dir = opendir(path);
    FILE *f;

    if (dir == NULL) {
        f = fopen(path, "rb");
        if (f == NULL) {
            perror(path);
            return 1;
        }
        replay_file(f);
        return fclose(f) != 0;
    }
    while ((entry = readdir(dir)) != NULL) {
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && replay(name) != 0)
            return 1;
    }
    return closedir(dir) != 0;
}

int
main(int argc, char **argv)
{
    int i, failed = 0;

    for (i = 1; i < argc; i++)
        failed |= replay(argv[i]);
#ifdef NSX_FUZZ_CORPUS
    if (argc == 1)
        failed = replay(NSX_FUZZ_CORPUS);
#endif
    printf("%s 1 - %d kept inputs\n1..1\n", failed ? "not ok" : "ok", replayed);
    return failed;
}
