/* SPDX-License-Identifier: MIT
 *
 * assets - the files of the live page, in the program
 *
 * tools/assets.py makes the source of these when the project is built: web/, and Chart.js from the
 * Debian package libjs-chart.js. */
#ifndef ADMIN_ASSETS_H
#define ADMIN_ASSETS_H

#include <stddef.h>

struct asset {
    const char *type; /* Content-Type */
    const char *etag; /* by content, with its quotes */
    const unsigned char *gzip;
    size_t gzip_size;
    size_t size; /* unpacked */
};

extern const struct asset asset_index_html;
extern const struct asset asset_app_js;
extern const struct asset asset_app_css;
extern const struct asset asset_chart_js;
extern const struct asset asset_icon_svg;

#endif
