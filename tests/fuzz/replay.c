/* Runs a fuzz target over the files of folders: how its corpus is replayed where there is no
 * libFuzzer. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "fuzz.h"

#define INPUT_BYTES_MAX (4 * 1024 * 1024)

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_always(file);
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    assert_always(data);
    size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    /* Memory of exactly that size: a sanitizer sees a read behind it. */
    uint8_t *exact = realloc(data, size ? size : 1);
    assert_always(exact);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int replay_folder(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_always(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        assert_always(length > 0 && length < (int)sizeof(path));
        replay_file(path);
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
