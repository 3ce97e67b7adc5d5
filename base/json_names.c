/* The names of one object: telling them apart quickly, and sorting them when there are many. */
#include "base/alloc.h"
#include "base/json_internal.h"

uint64_t replica__json_signature_escaped(struct replica__slice spelled)
{
    const char *at = spelled.data;
    const char *end = at + spelled.len;
    uint64_t first = 0;
    uint64_t last = 0;
    size_t len = 0;

    while (at < end) {
        char bytes[4];
        size_t n = replica__json_decode(&at, end, bytes);

        for (size_t i = 0; i < n; i++, len++) {
            uint64_t byte = (unsigned char)bytes[i];

            if (len < 8)
                first |= byte << (8 * len);
            last = last >> 8 | byte << 56;
        }
    }
    return json_signature_mix(first, len < 8 ? 0 : last, len);
}

struct json_name replica__json_name(struct replica__slice spelled)
{
    bool escaped = spelled.len > 0 && memchr(spelled.data, '\\', spelled.len) != NULL;

    return (struct json_name){ json_signature(spelled, escaped), spelled };
}

int replica__json_name_compare(const struct json_name *a, const struct json_name *b)
{
    if (a->signature != b->signature)
        return a->signature < b->signature ? -1 : 1;
    return replica__json_string_compare(a->spelled, b->spelled);
}

static void sift_down(struct json_name *names, size_t root, size_t n)
{
    struct json_name moved = names[root];

    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && replica__json_name_compare(&names[child], &names[child + 1]) < 0)
            child++;
        if (replica__json_name_compare(&moved, &names[child]) >= 0)
            break;
        names[root] = names[child];
        root = child;
    }
    names[root] = moved;
}

/* A heap sort: the library's qsort() may allocate, or be quadratic. */
void replica__json_names_sort(struct json_name *names, size_t n)
{
    for (size_t i = n / 2; i > 0; i--)
        sift_down(names, i - 1, n);
    for (size_t i = n; i > 1; i--) {
        struct json_name largest = names[0];

        names[0] = names[i - 1];
        names[i - 1] = largest;
        sift_down(names, 0, i - 1);
    }
}

struct json_name *replica__json_names(struct replica__json_iter it, bool skip_reserved,
                                      size_t *ret_n)
{
    struct replica__json_iter counter = it;
    struct json_name *names;
    size_t n = 0;

    while (replica__json_next(&counter))
        n++;
    names = replica__realloc(NULL, n, sizeof(*names));
    if (!names)
        return NULL;
    n = 0;
    while (replica__json_next(&it)) {
        if (!skip_reserved || !json_name_reserved(it.name))
            names[n++] = replica__json_name(it.name);
    }
    replica__json_names_sort(names, n);
    *ret_n = n;
    return names;
}

struct json_name *replica__json_names_find(struct json_name *names, size_t n,
                                           const struct json_name *name)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;
        int order = replica__json_name_compare(name, &names[middle]);

        if (order == 0)
            return &names[middle];
        if (order < 0)
            n = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool replica__json_escaped_underscore(struct replica__slice spelled)
{
    return spelled.len >= 6 && memcmp(spelled.data, "\\u005", 5) == 0 &&
           (spelled.data[5] | 0x20) == 'f';
}
