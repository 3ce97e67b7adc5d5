/* Pushing: what its files share. */
#ifndef REPLICATOR_PUSH_SIDE_H
#define REPLICATOR_PUSH_SIDE_H

#include "replicator/session_state.h"

/* ---- push_side.c ------------------------------------------------------------------ */

/* The session has failed, and what was under way is asked about again. */
void replica__push_fail(struct replica__session *s, const replica_error *error);
/* Where the feed may go on behind the verdicts that wait to be written; NULL: where it is. */
const char *replica__push_moved_checkpoint(const struct replica__session *s);
/* The page that was made ready goes out. */
void replica__push_send_ready(struct replica__session *s);
/* Also what is out goes again, in smaller pages. */
void replica__push_begin_anew(struct replica__session *s);

/* ---- push_refusal.c --------------------------------------------------------------- */

void replica__push_tell_rejected(struct replica__session *s, const struct replica__push_row *row,
                                 int code, const char *reason);
/* It is known that others are taken: the suspects were refused for what they are.  < 0: the session
 * has failed. */
int replica__push_reject_suspects(struct replica__session *s);
void replica__push_drop_suspects(struct replica__session *s);

/* ---- push_verdicts.c -------------------------------------------------------------- */

void replica__push_apply_verdicts(struct replica__session *s);
void replica__push_free_answer(struct answered *a);

#endif
