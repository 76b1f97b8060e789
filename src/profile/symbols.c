/* SPDX-License-Identifier: MIT
 *
 * symbols - functions, files and lines of addresses of this process (symbols.h)
 *
 * Sources: elfutils' libdwfl.h and libdw.h; DWARF 5, sections 2.17 and 3.3.8. */
#include "profile/symbols.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile/intern.h"

enum { BUILD_ID_TEXT_SIZE = 129, FILE_SIZE = 1024 };

/* One file that is mapped. */
struct module {
    const struct map *map;
    Dwfl_Module *dwfl; /* NULL: cannot be read */
};

struct symbols {
    struct maps maps;
    Dwfl *dwfl;
    struct module *modules; /* as many as maps */
    struct intern *texts;
};

/* Debug information is taken from the file itself or not at all: a search takes long, and may ask
 * servers. */
static int find_debuginfo(Dwfl_Module *module, void **user_data, const char *name, Dwarf_Addr base,
                          const char *file_name, const char *link_file, GElf_Word link_crc,
                          char **ret_name)
{
    (void)module;
    (void)user_data;
    (void)name;
    (void)base;
    (void)file_name;
    (void)link_file;
    (void)link_crc;
    (void)ret_name;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf, /* never asked: files are reported open */
    .find_debuginfo = find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

struct symbols *symbols_open(void)
{
    struct symbols *const symbols = calloc(1, sizeof *symbols);

    if (!symbols)
        return NULL;
    symbols->texts = intern_new();
    symbols->dwfl = dwfl_begin(&callbacks);
    if (symbols->texts && symbols->dwfl && maps_read(&symbols->maps) == 0)
        symbols->modules = calloc(symbols->maps.count, sizeof *symbols->modules);
    if (!symbols->modules) {
        symbols_close(symbols);
        return NULL;
    }
    return symbols;
}

void symbols_close(struct symbols *symbols)
{
    if (!symbols)
        return;
    if (symbols->dwfl)
        dwfl_end(symbols->dwfl);
    free(symbols->modules);
    maps_deinit(&symbols->maps);
    intern_free(symbols->texts);
    free(symbols);
}

const struct maps *symbols_maps(const struct symbols *symbols)
{
    return &symbols->maps;
}

/* A text that lives as long as the session; "" when memory ran out. */
static const char *keep(struct symbols *symbols, const char *text)
{
    const size_t number = intern_add(symbols->texts, text, strlen(text), NULL);

    return number == INTERN_NONE ? "" : intern_at(symbols->texts, number, NULL);
}

/* The module of @map, reported to libdwfl when it is first asked for. */
static Dwfl_Module *module_of(struct symbols *symbols, const struct map *map)
{
    struct module *const module = &symbols->modules[map - symbols->maps.maps];
    char name[32];

    if (module->map)
        return module->dwfl;
    module->map = map;
    const int fd = maps_open(map);
    if (fd < 0)
        return NULL;
    /* One file may be mapped twice, and names tell modules apart. */
    snprintf(name, sizeof name, "%zu", (size_t)(map - symbols->maps.maps));
    dwfl_report_begin_add(symbols->dwfl);
    module->dwfl = dwfl_report_elf(symbols->dwfl, name, map->path, fd, map->base, false);
    dwfl_report_end(symbols->dwfl, NULL, NULL);
    if (!module->dwfl)
        close(fd);
    return module->dwfl;
}

/* --- texts --- */

/* Where the last part of the path from @begin up to @end, which ends with a '/', begins; NULL if
 * there is none that ".." could take back. */
static char *last_part(char *begin, char *end)
{
    char *part = end;

    if (end == begin)
        return NULL;
    for (part--; part > begin && part[-1] != '/';)
        part--;
    return end - part == 3 && memcmp(part, "../", 3) == 0 ? NULL : part;
}

/* Copies @path without "./" and "folder/../". */
static void tidy_path(const char *path, char *ret_path, size_t path_size)
{
    char *const begin = ret_path + (path[0] == '/');
    char *end = begin;

    ret_path[0] = '/';
    while (*path) {
        const size_t size = strcspn(path, "/");
        char *const last = size == 2 && memcmp(path, "..", 2) == 0 ? last_part(begin, end) : NULL;

        if (last) {
            end = last;
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            if (size + 2 > path_size - (size_t)(end - ret_path))
                break;
            memcpy(end, path, size);
            end += size;
            *end++ = '/';
        }
        path += size;
        path += *path == '/';
    }
    if (end > begin)
        end--;
    *end = '\0';
}

static const char *keep_path(struct symbols *symbols, const char *folder, const char *name)
{
    char whole[FILE_SIZE];
    char tidy[FILE_SIZE];

    if (!name)
        return "";
    if (name[0] == '/' || !folder)
        snprintf(whole, sizeof whole, "%s", name);
    else
        snprintf(whole, sizeof whole, "%s/%s", folder, name);
    tidy_path(whole, tidy, sizeof tidy);
    return keep(symbols, tidy);
}

/* --- lines --- */

static const char *folder_of_unit(Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;

    return dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
}

/* The file with number @attribute_name of @die. */
static const char *file_of(struct symbols *symbols, Dwarf_Die *unit, Dwarf_Die *die,
                           unsigned int attribute_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    Dwarf_Files *files;
    size_t count;

    if (dwarf_formudata(dwarf_attr_integrate(die, attribute_name, &attribute), &number) != 0 ||
        dwarf_getsrcfiles(unit, &files, &count) != 0 || number >= count)
        return "";
    return keep_path(symbols, folder_of_unit(unit), dwarf_filesrc(files, number, NULL, NULL));
}

static int number_of(Dwarf_Die *die, unsigned int attribute_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;

    if (dwarf_formudata(dwarf_attr_integrate(die, attribute_name, &attribute), &number) != 0)
        return 0;
    return (int)number;
}

static bool is_function(Dwarf_Die *die)
{
    const int tag = dwarf_tag(die);

    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

/* The line of @address itself. */
static void find_line(struct symbols *symbols, Dwarf_Die *unit, Dwarf_Addr address,
                      struct symbol *symbol)
{
    Dwarf_Line *const line = dwarf_getsrc_die(unit, address);

    if (!line)
        return;
    dwarf_lineno(line, &symbol->line);
    if (symbol->file[0] == '\0')
        symbol->file = keep_path(symbols, folder_of_unit(unit), dwarf_linesrc(line, NULL, NULL));
}

/* The functions around @address, from DWARF. */
static size_t find_scopes(struct symbols *symbols, Dwarf_Die *unit, Dwarf_Addr address,
                          struct symbol *ret_symbols)
{
    Dwarf_Die *innermost;
    Dwarf_Die *scopes;
    size_t count = 0;
    int line = 0; /* where the function before was inlined */

    if (dwarf_getscopes(unit, address, &innermost) <= 0)
        return 0;
    /* Behind an inlined function that lists where it is defined, not into what it was inlined. */
    const int scope_count = dwarf_getscopes_die(&innermost[0], &scopes);
    free(innermost);
    if (scope_count <= 0)
        return 0;
    for (int i = 0; i < scope_count && count < SYMBOLS_INLINE_DEPTH_MAX; i++) {
        Dwarf_Die *const die = &scopes[i];
        const char *const name = is_function(die) ? dwarf_diename(die) : NULL;
        if (!name)
            continue;
        struct symbol *const symbol = &ret_symbols[count++];
        *symbol = (struct symbol){.function = keep(symbols, name),
                                  .file = file_of(symbols, unit, die, DW_AT_decl_file),
                                  .line = line,
                                  .start_line = number_of(die, DW_AT_decl_line)};
        if (count == 1)
            find_line(symbols, unit, address, symbol);
        line = dwarf_tag(die) == DW_TAG_inlined_subroutine ? number_of(die, DW_AT_call_line) : 0;
        if (dwarf_tag(die) == DW_TAG_subprogram)
            break;
    }
    free(scopes);
    return count;
}

/* --- names --- */

/* Of several names of one place, the shortest without underscores in front: send, not __send. */
static bool is_nicer(const char *name, const char *than)
{
    const size_t underscores = strspn(name, "_");
    const size_t than_underscores = strspn(than, "_");

    if (underscores != than_underscores)
        return underscores < than_underscores;
    return strlen(name) < strlen(than);
}

static const char *nicest_name(Dwfl_Module *module, GElf_Addr value, const char *name)
{
    const int count = dwfl_module_getsymtab(module);

    for (int i = 1; i < count; i++) {
        GElf_Sym other;
        GElf_Addr at;
        const char *const other_name =
            dwfl_module_getsym_info(module, i, &other, &at, NULL, NULL, NULL);

        if (other_name && other_name[0] && at == value && GELF_ST_TYPE(other.st_info) == STT_FUNC &&
            is_nicer(other_name, name))
            name = other_name;
    }
    return name;
}

/* The name of @address in the symbol table, or NULL. */
static const char *find_name(struct symbols *symbols, Dwfl_Module *module, uintptr_t address)
{
    GElf_Off offset;
    GElf_Sym symbol;

    const char *const name =
        dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    /* A symbol that ends before the address is a neighbour. */
    if (!name || !name[0] || (symbol.st_size > 0 && offset >= symbol.st_size) ||
        (symbol.st_size == 0 && offset > 0))
        return NULL;
    return keep(symbols, nicest_name(module, address - offset, name));
}

/* The same from what the loader has in memory. */
static const char *find_loaded_name(struct symbols *symbols, uintptr_t address)
{
    Dl_info info;

    if (dladdr((const void *)address, &info) == 0 || !info.dli_sname)
        return NULL;
    return keep(symbols, info.dli_sname);
}

size_t symbols_find(struct symbols *symbols, uintptr_t address,
                    struct symbol ret_symbols[SYMBOLS_INLINE_DEPTH_MAX])
{
    const struct map *const map = maps_find(&symbols->maps, address);
    Dwfl_Module *const module = map ? module_of(symbols, map) : NULL;
    Dwarf_Addr bias = 0;
    const char *name;

    if (!map)
        return 0;
    if (module) {
        Dwarf_Die *const unit = dwfl_module_addrdie(module, address, &bias);
        const size_t count = unit ? find_scopes(symbols, unit, address - bias, ret_symbols) : 0;
        if (count > 0)
            return count;
        name = find_name(symbols, module, address);
    } else {
        name = find_loaded_name(symbols, address);
    }
    if (!name)
        return 0;
    ret_symbols[0] = (struct symbol){.function = name, .file = ""};
    return 1;
}

const char *symbols_build_id(struct symbols *symbols, const struct map *map)
{
    Dwfl_Module *const module = module_of(symbols, map);
    char text[BUILD_ID_TEXT_SIZE] = "";
    const unsigned char *bits;
    GElf_Addr address;

    if (!module || !dwfl_module_getelf(module, &address))
        return "";
    const int size = dwfl_module_build_id(module, &bits, &address);
    for (int i = 0; i < size && i * 2 + 2 < BUILD_ID_TEXT_SIZE; i++)
        snprintf(text + i * 2, 3, "%02x", bits[i]);
    return keep(symbols, text);
}

bool symbols_have_lines(struct symbols *symbols, const char **ret_reason)
{
    const struct map *const program = symbols->maps.count ? &symbols->maps.maps[0] : NULL;
    Dwfl_Module *const module = program && program->is_program ? module_of(symbols, program) : NULL;
    Dwarf_Addr bias;

    *ret_reason = "";
    if (!module)
        *ret_reason = "the program cannot be read through /proc/self/exe: functions have only the "
                      "names that it exports";
    else if (dwfl_module_getdwarf(module, &bias))
        return true;
    else if (dwfl_module_getsymtab(module) > 0 && dwfl_module_getsymtab_first_global(module) > 1)
        *ret_reason = "the program was built without debug information: functions have names, but "
                      "no files and lines, and inlined ones do not show";
    else
        *ret_reason = "the program is stripped: its own functions show as addresses, which a build "
                      "with debug information can resolve";
    return false;
}
