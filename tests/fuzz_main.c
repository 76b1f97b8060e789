/* SPDX-License-Identifier: MIT
 *
 * fuzz_main - replays a corpus through a fuzz target, where libFuzzer's own main is not linked
 *
 *      x_fuzz FILE-OR-FOLDER...      each file once; prints how many; exits 1 if there was none */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_SIZE = 4096 };

static int replay_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    struct stat status;

    if (!file || fstat(fileno(file), &status) < 0) {
        perror(path);
        exit(1);
    }

    /* Exactly as many bytes as the input has, so that a sanitizer sees any byte read past it. */
    const size_t size = (size_t)status.st_size;
    uint8_t *const data = malloc(size > 0 ? size : 1);
    if (!data || fread(data, 1, size, file) != size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int replay_folder(const char *path, DIR *folder)
{
    const struct dirent *entry;
    int count = 0;

    while ((entry = readdir(folder))) {
        char name[PATH_SIZE];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        count += replay_file(name);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++) {
        DIR *const folder = opendir(argv[i]);
        count += folder ? replay_folder(argv[i], folder) : replay_file(argv[i]);
    }
    printf("%d inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
