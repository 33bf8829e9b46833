/* node/cli/web_people.h - what node.conf may say of the people who log in to the pages. Pure. */
#ifndef CPIS_NODE_CLI_WEB_PEOPLE_H
#define CPIS_NODE_CLI_WEB_PEOPLE_H
#include <stdbool.h>

/* How people become known to the pages. */
enum web_people {
    WEB_PEOPLE_ACCOUNTS = 1, /* name, password and code of DIR/people/accounts */
    WEB_PEOPLE_HEADER, /* a reverse proxy has asked them, and names one of DIR/people/accounts */
    WEB_PEOPLE_NONE    /* nobody is let in */
};
bool web_people_parse(const char *text, enum web_people *ret); /* false: none of the three */
const char *web_people_name(enum web_people p);                /* static; "" for none */
/* The name of a header (RFC 9110, 5.1) of letters, digits and "-": proxies drop or confuse the
 * rest. Also "". */
bool web_header_is_valid(const char *text);
/* "https://host[:port]", "http://" for this machine alone, nothing after it (RFC 6454, 6.2); in the
 * small letters that browsers send, and without the port that goes without saying. */
bool web_origin_is_valid(const char *text);
#endif
