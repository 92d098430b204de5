/*
 * glue.h - what the files of the Perl glue share.
 *
 * SMTP.xs holds one-screen XSUBs; the files in xs/ do their work.  A struct
 * nsx_op is one method call on one object: it lives on the C stack and keeps
 * the object alive while the call waits, because a signal handler or an
 * overriding method may drop the script's last reference meanwhile.
 *
 * Perl code called from here may die.  So no function holds memory across
 * such a call that is not owned by a mortal or by the object itself.
 */
#ifndef NSX_GLUE_H
#define NSX_GLUE_H

#define PERL_NO_GET_CONTEXT
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"

#include "nsx_addr.h"
#include "nsx_channel.h"
#include "nsx_command.h"
#include "nsx_dot.h"
#include "nsx_ehlo.h"
#include "nsx_xtext.h"

#include "compat.h"
#include "keys.h"

/* Net::Cmd's reply classes: the first digit (RFC 5321 4.2.1). */
enum nsx_digit {
    NSX_DIGIT_NONE = 0, /* no reply */
    NSX_DIGIT_OK = '2',
    NSX_DIGIT_MORE = '3',
    NSX_DIGIT_ERROR = '5'
};

/* The methods that other methods are built on: each is looked up on the
 * object's class, and its override, where there is one, is called. */
#define NSX_METHODS(X)                                                      \
    X(command)                                                              \
    X(response)                                                             \
    X(getline)                                                              \
    X(ungetline)                                                            \
    X(parse_response)                                                       \
    X(set_status)                                                           \
    X(DEF_REPLY_CODE)                                                       \
    X(debug)                                                                \
    X(debug_print)                                                          \
    X(message)                                                              \
    X(code)                                                                 \
    X(status)                                                               \
    X(datasend)                                                             \
    X(rawdatasend)                                                          \
    X(dataend)                                                              \
    X(tied_fh)                                                              \
    X(unsupported)                                                          \
    X(_is_closed)                                                           \
    X(_syswrite_with_timeout)                                               \
    X(_set_status_closed)                                                   \
    X(_set_status_timeout)                                                  \
    X(supports)                                                             \
    X(_EHLO)                                                                \
    X(_HELO)                                                                \
    X(_MAIL)                                                                \
    X(_RCPT)                                                                \
    X(_SEND)                                                                \
    X(_SAML)                                                                \
    X(_SOML)                                                                \
    X(_VRFY)                                                                \
    X(_EXPN)                                                                \
    X(_HELP)                                                                \
    X(_RSET)                                                                \
    X(_NOOP)                                                                \
    X(_QUIT)                                                                \
    X(_DATA)                                                                \
    X(_BDAT)                                                                \
    X(_ETRN)                                                                \
    X(_AUTH)                                                                \
    X(_STARTTLS)                                                            \
    X(timeout)

enum nsx_method {
#define X(name) NSX_M_##name,
    NSX_METHODS(X)
#undef X
        NSX_METHOD_COUNT
};

/* How octets reach the descriptor. */
enum nsx_handle {
    NSX_HANDLE_PLAIN = 0, /* the engine's channel */
    NSX_HANDLE_TIED       /* a tied handle: through Perl's sysread, syswrite */
};

/* The C side of one object, hung on its glob. */
struct nsx_object {
    struct nsx_channel ch;
    struct nsx_buf out;     /* the command being built */
    int waits;              /* 1 while octets of it wait to be sent */
    int64_t touched;        /* when datasend or a reply was last here */
    enum nsx_handle handle;
    Pid_t owner;            /* the process that may say goodbye on it */
    int inherited;          /* 1 in a thread that cloned a TLS object */
    U32 handles;            /* how often the handle was found changed */
    int unsure;             /* 1 when Perl code ran since the last look */
    UV dev, ino;            /* what the descriptor stood for then */
    int torn;               /* 1 while a unit is partly written */
    int sending;            /* > 0 while a part of a message is being sent */
    int awaiting;           /* responses under way */
    int owed;               /* 1 when a reply is to be read before that of
                               the next command: a die left it unread, or a
                               signal handler runs while it is waited for */
    int lost;               /* 1 when that handler read it */
    U32 replies;            /* whose last line was taken, so far */
    U32 writes;             /* units whose writing began, so far */
    int secret;             /* > 0 while command lines carry credentials */
    struct nsx_buf offered; /* the AUTH list of the server's last EHLO */
};

struct nsx_op {
    SV *self; /* mortal reference of the object's own class */
    GV *gv;
    struct nsx_object *obj;
    U8 gimme; /* the call's context, by nsx_gimme */
};

/* A mortal copy.  (sv_mortalcopy takes the buffer of a mortal source away.) */
#define nsx_copy(sv) sv_2mortal(newSVsv(sv))

typedef struct nsx_op nsx_op_t; /* what the typemap makes of an object */

/* A stretch of work that a die must not leave unnoticed.  It lives on the C
 * stack of the function that does the work: perl unwinds its savestack, which
 * looks at it, before it leaves the C functions. */
struct nsx_watch {
    struct nsx_object *obj;
    U32 handles, replies, writes; /* of the object, as it began */
    int inside;                   /* what it adds to obj->sending */
    int whole;                    /* 1 once it ended without a die */
};

/* --- object.c ---------------------------------------------------------- */

/* Called once an interpreter, when the shared object is loaded, and in each
 * new thread. */
void nsx_glue_boot(pTHX);
void nsx_glue_clone(pTHX);

/* The glob behind an object, a glob reference or a glob; dies with Perl's own
 * "Not a GLOB reference" otherwise. */
GV *nsx_glob(pTHX_ SV *self);

/* The engine of a glob when it has one, else NULL. */
struct nsx_object *nsx_object_find(pTHX_ GV *gv);

/* Starts a call: finds or attaches the engine, and sends what waits (waiting.h);
 * nsx_op_begin_waiting leaves that to the call.  args are the call's n
 * arguments, held when to look at self may run code. */
void nsx_op_enter(pTHX_ struct nsx_op *op, SV *self);
void nsx_op_begin(pTHX_ struct nsx_op *op, SV *self, I32 n, SV **args);
void nsx_op_begin_waiting(pTHX_ struct nsx_op *op, SV *self, I32 n, SV **args);

/* The descriptor as it is now, -1 when the handle is closed.  Notices a
 * handle that was closed, reopened or tied since the last look. */
int nsx_op_fd(pTHX_ struct nsx_op *op);

/* 1 when octets go through a tied handle, whose code is Perl's. */
int nsx_op_tied(pTHX_ struct nsx_op *op);

/* Runs pending signal handlers (which may die, or close the handle). */
void nsx_op_signals(pTHX_ struct nsx_op *op);

void nsx_watch_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op,
                     DESTRUCTORFUNC_t left);
void nsx_watch_end(pTHX_ struct nsx_watch *watch);

/* --- api.c ------------------------------------------------------------- */

void nsx_api_publish(pTHX);

/* --- method.c ---------------------------------------------------------- */

void nsx_method_boot(pTHX);

/* 1 when the object's class has a method of its own in place of ours. */
int nsx_overridden(pTHX_ struct nsx_op *op, enum nsx_method m);

/* Keeps n scalars (or NULLs) alive as long as the call's mortals.  They are
 * not made mortals themselves: the flag would follow them into a new thread. */
void nsx_hold(pTHX_ I32 n, SV **list);

/* The context an XSUB is called in; asked first thing, before any Perl code
 * can run.  Under `goto &xsub` GIMME_V answers for a frame further out. */
U8 nsx_gimme(pTHX);

/* Perl's yes or no as a mortal of the caller's own. */
SV *nsx_yes_no(pTHX_ int yes);

/* Calls a method in scalar context, by name, with up to a few arguments.
 * The result is a mortal, never NULL. */
SV *nsx_call(pTHX_ SV *self, const char *name, I32 argc, SV **argv);

/* The same in void context. */
void nsx_tell(pTHX_ SV *self, const char *name, I32 argc, SV **argv);

/* Calls our own Perl function Net::SMTP::XS::Cmd::NAME in scalar context. */
SV *nsx_call_function(pTHX_ const char *name, I32 argc, SV **argv);

/* Calls a method in the XSUB's own context, gimme, and leaves its values on
 * the stack, as an XSUB's last act.  Returns their number. */
I32 nsx_tail_call(pTHX_ I32 ax, U8 gimme, SV *self, const char *name, I32 argc,
                  SV **argv);

/* Stock calls _addr as a function, so a script that wants another puts it in
 * the stash.  in_place: Net::SMTP's stash counts too, from now on. */
void nsx_addr_boot(pTHX);
void nsx_in_place(pTHX);
int nsx_addr_replaced(pTHX);

/* --- command.c --------------------------------------------------------- */

/* Net::Cmd's DEF_REPLY_CODE: the code of a status that no server gave. */
#define NSX_DEF_REPLY_CODE 421

/* Reply code of an AUTH challenge (RFC 4954 4). */
#define NSX_CHALLENGE_CODE "334"

/* Status of a command the client knows not to work. */
#define NSX_UNSUPPORTED_CODE 580

int nsx_debug_level(pTHX_ struct nsx_op *op);
void nsx_debug_print(pTHX_ struct nsx_op *op, int out, SV *text);
SV *nsx_def_reply_code(pTHX_ struct nsx_op *op);
void nsx_store_status(pTHX_ GV *gv, SV *code, SV *resp);
void nsx_set_status(pTHX_ struct nsx_op *op, SV *code, SV *resp);

/* Set the status of a session that ended; timed_out and failed end it.
 * caller names the Net::Cmd function a debugging message speaks of. */
void nsx_closed(pTHX_ struct nsx_op *op, int err, const char *caller);
void nsx_set_closed(pTHX_ struct nsx_op *op, SV *why, const char *caller);
void nsx_set_timeout(pTHX_ struct nsx_op *op, const char *caller);
void nsx_close(pTHX_ struct nsx_op *op);
void nsx_timed_out(pTHX_ struct nsx_op *op, const char *caller);
void nsx_failed(pTHX_ struct nsx_op *op, const char *caller);

/* 1, with the status set, when nothing can be sent any more.  The first asks
 * the _is_closed method, the second is that method. */
int nsx_is_closed(pTHX_ struct nsx_op *op);
int nsx_check_closed(pTHX_ struct nsx_op *op);

/* The object's Timeout in seconds, 0 for none. */
double nsx_timeout(pTHX_ struct nsx_op *op);

/* Waits for the descriptor: 1, or 0 with the session ended. */
int nsx_wait(pTHX_ struct nsx_op *op, nsx_status what, int64_t deadline,
             const char *caller);

/* One line with its LF as a new mortal, or NULL with the status set. */
SV *nsx_getline(pTHX_ struct nsx_op *op);

/* Takes code and separator off the line, whose magic has been got: 1, or 0 and the line unchanged. */
int nsx_parse_line(pTHX_ SV *line, SV **code, int *more);

/* The first digit of the reply as a character, or NSX_DIGIT_NONE. */
int nsx_response(pTHX_ struct nsx_op *op);
int nsx_call_response(pTHX_ struct nsx_op *op);

/* Reads the reply that is owed, so that the next one answers the next command:
 * its digit. */
int nsx_owed_reply(pTHX_ struct nsx_op *op);
int nsx_digit_of(pTHX_ SV *status);

/* Sends words (argv is written to) as one command; 1 when it was written. */
int nsx_command(pTHX_ struct nsx_op *op, I32 argc, SV **argv, int more);

/* A command and its reply, through the methods of these names. */
int nsx_exchange(pTHX_ struct nsx_op *op, I32 argc, SV **argv);

/* --- write.c ----------------------------------------------------------- */

/* A body: the list of scalars datasend and its kin were given. */
struct nsx_body {
    SV **item;   /* plain strings, in order */
    I32 count;
    I32 at;      /* item being sent */
    STRLEN off;  /* octets (of the scalar's buffer) of it already taken */
    SV *single;  /* backing store when the list was joined */
    int owned;   /* 1 when it no longer depends on the caller's scalars */
};

/* Looks at args: a single array reference stands for its elements.  Dies as
 * stock does, before anything is sent, on a reference that is no array and on
 * characters above 255. */
void nsx_body_init(pTHX_ struct nsx_body *body, I32 argc, SV **argv);
STRLEN nsx_body_length(pTHX_ const struct nsx_body *body);
SV *nsx_body_joined(pTHX_ struct nsx_body *body);

/* Writes octets, waiting within the object's Timeout: 1, or 0 with the status
 * set and the handle closed.  body, when given, is made independent of the
 * caller's scalars before a signal handler runs. */
int nsx_write(pTHX_ struct nsx_op *op, const char *data, size_t n, int more,
              struct nsx_body *body);

/* The same through the _syswrite_with_timeout method where overridden. */
int nsx_write_unit(pTHX_ struct nsx_op *op, const char *data, size_t n,
                   int more);

/* 1, 0 (closed) or -1 (failed, or refused): datasend's and rawdatasend's
 * work; finish = 1 puts the end of data behind the body. */
int nsx_datasend(pTHX_ struct nsx_op *op, struct nsx_body *body, int finish);
int nsx_rawdatasend(pTHX_ struct nsx_op *op, struct nsx_body *body);

/* Begins a part of a message: a die before nsx_watch_end leaves the session
 * torn, and what code that runs meanwhile wants to send is refused. */
void nsx_part_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op);

/* The datasend method, with the rest of the message still to come: a die in it
 * leaves the session torn. */
SV *nsx_call_datasend(pTHX_ struct nsx_op *op, I32 argc, SV **argv);

/* Begins a chunk: a die behind the first octet that is written, and before
 * nsx_watch_end, leaves the session torn. */
void nsx_chunk_begin(pTHX_ struct nsx_watch *watch, struct nsx_op *op);

/* 1, with the session ended, when a part of a message is being sent: what a
 * signal handler, or code that shows the dialogue, sends now would become part
 * of it. */
int nsx_interrupts(pTHX_ struct nsx_op *op);

/* 1, with the status set, when BareCR => 'refuse' forbids the body. */
int nsx_body_refused(pTHX_ struct nsx_op *op, struct nsx_body *body);

/* dataend's work: a mortal. */
SV *nsx_dataend(pTHX_ struct nsx_op *op);

/* datasend and dataend in as few writes as possible: nsx_dataend's answer,
 * or -1 when the body could not be sent. */
int nsx_send_whole(pTHX_ struct nsx_op *op, struct nsx_body *body);

/* Status of a body that BareCR => 'refuse' refuses (RFC 5321 4.2.2). */
#define NSX_BARE_CR_CODE 554

/* --- block.c ----------------------------------------------------------- */

/* NSX_BLOCK_SIZE octets, the call's until the enclosing LEAVE. */
char *nsx_block_borrow(pTHX);

/* The interpreter's block itself, for who asks whether it is lent. */
char *nsx_block_own(pTHX);
void nsx_block_free(pTHX);

/* --- waiting.c --------------------------------------------------------- */

/* Puts text behind what waits, or begins to wait with it: 1, or 0 when it has
 * to be sent the ordinary way.  The first is for a call on self that is not
 * entered yet. */
int nsx_waiting_add(pTHX_ SV *self, SV *text);
int nsx_waiting_begin(pTHX_ struct nsx_op *op, SV *text);

/* 1 while nothing about the object that waits was changed. */
int nsx_waiting_is_steady(pTHX);

/* Sends what waits of the object; with the end of data behind it.  1, or 0
 * with the session ended and the status set. */
int nsx_waiting_flush(pTHX_ struct nsx_op *op, int more);
int nsx_waiting_finish(pTHX_ struct nsx_op *op);

/* Sends what waits in this interpreter, without running Perl code; an error
 * stays in the channel. */
void nsx_waiting_send_all(pTHX);

/* The object goes: what it has waiting is tried once. */
void nsx_waiting_drop(pTHX_ struct nsx_object *obj);

/* The handle without the layer that is there while octets wait. */
PerlIO *nsx_waiting_below(PerlIO *f);

/* --- smtp.c ------------------------------------------------------------ */

/* Characters of an address that an exception shows. */
#define NSX_SHOWN_ADDRESS 60

/* The path of an address argument, angle brackets included: a new mortal.
 * Dies when the address would add parameters to the command. */
SV *nsx_addr_path(pTHX_ GV *gv, SV *addr);

/* prefix, the path by the _addr function in force, and opts: a new mortal. */
SV *nsx_path_argument(pTHX_ struct nsx_op *op, const char *prefix, SV *addr,
                      SV *opts);

/* An upper-case copy, a mortal. */
SV *nsx_upper(pTHX_ SV *keyword);

/* verb and argc words more, in a list of mortals. */
SV **nsx_words(pTHX_ const char *verb, I32 argc, SV **argv);

/* An underscore command's own work, and whether it has arguments. */
int nsx_run_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc,
                 SV **argv);
int nsx_verb_takes_words(enum nsx_method m);

/* An underscore command by its method, with argc arguments: its truth; and
 * as an XSUB's last act, in the XSUB's own context: the number of values. */
I32 nsx_tail_verb(pTHX_ I32 ax, struct nsx_op *op, enum nsx_method m,
                  I32 argc, SV **argv);
int nsx_verb(pTHX_ struct nsx_op *op, enum nsx_method m, I32 argc,
             SV **argv);

/* What is to be known of a command before it is built, because looking may
 * run Perl code that gives another one. */
struct nsx_secrecy {
    int answers; /* 1: it answers a challenge, or op->obj->secret says so */
    int shown;   /* 1: DebugSecrets */
};
struct nsx_secrecy nsx_secrecy(pTHX_ struct nsx_op *op);

/* 1 when the command in op->obj->out carries credentials: in answer to a
 * challenge, or behind AUTH's mechanism. */
int nsx_is_secret(struct nsx_op *op, struct nsx_secrecy how);

/* Its text as the debugging output may show it: a new mortal. */
SV *nsx_shown_command(pTHX_ struct nsx_op *op, struct nsx_secrecy how);

/* EHLO's answer: fills the object's capability hash from lines. */
void nsx_learn_capabilities(pTHX_ struct nsx_op *op, I32 count, SV **lines);

#endif
