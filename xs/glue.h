/*
 * glue.h - what the files of the Perl glue share.
 *
 * SMTP.xs holds one-screen XSUBs; the files in xs/ do their work.
 *
 * Perl code called from here may die.  So no function holds memory across
 * such a call that is not owned by a mortal or by the object itself.
 */
#ifndef NSX_GLUE_H
#define NSX_GLUE_H

#include "op.h"

#include "nsx_addr.h"
#include "nsx_channel.h"
#include "nsx_command.h"
#include "nsx_dot.h"
#include "nsx_ehlo.h"
#include "nsx_process.h"
#include "nsx_session.h"
#include "nsx_short.h"
#include "nsx_xtext.h"

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
#define NSX_METHODS(X)                                                         \
    X(command)                                                                 \
    X(response)                                                                \
    X(getline)                                                                 \
    X(ungetline)                                                               \
    X(parse_response)                                                          \
    X(set_status)                                                              \
    X(DEF_REPLY_CODE)                                                          \
    X(debug)                                                                   \
    X(debug_print)                                                             \
    X(message)                                                                 \
    X(code)                                                                    \
    X(status)                                                                  \
    X(datasend)                                                                \
    X(rawdatasend)                                                             \
    X(dataend)                                                                 \
    X(tied_fh)                                                                 \
    X(unsupported)                                                             \
    X(_is_closed)                                                              \
    X(_syswrite_with_timeout)                                                  \
    X(_set_status_closed)                                                      \
    X(_set_status_timeout)                                                     \
    X(supports)                                                                \
    X(_EHLO)                                                                   \
    X(_HELO)                                                                   \
    X(_MAIL)                                                                   \
    X(_RCPT)                                                                   \
    X(_SEND)                                                                   \
    X(_SAML)                                                                   \
    X(_SOML)                                                                   \
    X(_VRFY)                                                                   \
    X(_EXPN)                                                                   \
    X(_HELP)                                                                   \
    X(_RSET)                                                                   \
    X(_NOOP)                                                                   \
    X(_QUIT)                                                                   \
    X(_DATA)                                                                   \
    X(_BDAT)                                                                   \
    X(_ETRN)                                                                   \
    X(_AUTH)                                                                   \
    X(_STARTTLS)                                                               \
    X(timeout)

/* Methods that scripts call, and that a class may have put its own in the place
 * of: send_message does by them what it would do by itself. */
#define NSX_PUBLIC_METHODS(X)                                                  \
    X(mail)                                                                    \
    X(recipient)                                                               \
    X(data)                                                                    \
    X(bdat)                                                                    \
    X(bdatlast)                                                                \
    X(reset)

enum nsx_method {
#define X(name) NSX_M_##name,
    NSX_METHODS(X)
    NSX_PUBLIC_METHODS(X)
#undef X
        NSX_METHOD_COUNT
};

/* How octets reach the descriptor. */
enum nsx_handle {
    NSX_HANDLE_PLAIN = 0, /* the engine's channel */
    NSX_HANDLE_TIED       /* a tied handle: through Perl's sysread, syswrite */
};

/* What is under way on an object while its program does other things. */
enum nsx_operation {
    NSX_OPERATION_NONE = 0,
    NSX_OPERATION_MESSAGE,
    NSX_OPERATION_QUIT
};

/* The C side of one object, hung on its glob. */
struct nsx_object {
    struct nsx_channel ch;
    struct nsx_session session; /* on ch: replies to come, what is half sent */
    struct nsx_buf out;         /* the command being built: not the session's
                                   output, for a signal handler may give another
                                   one first as long as no octet of it is out */
    int waits;                  /* 1 while octets of it wait to be sent */
    int64_t until;   /* when the wait that goes on ends, 0: it begins */
    int64_t touched; /* when datasend or a reply was last here */
    enum nsx_handle handle;
    Pid_t owner;   /* the process that may say goodbye on it */
    int inherited; /* 1 in a thread that cloned a TLS object */
    U32 handles;   /* how often the handle was found changed */
    int unsure;    /* 1 when Perl code ran since the last look */
    UV dev, ino;   /* what the descriptor stood for then */
    int sending;   /* > 0 while a part of a message is being sent */
    int awaiting;  /* responses under way */
    U32 writes;    /* units whose writing began, so far */
    enum nsx_operation operation; /* no method may be called meanwhile */
    int secret;             /* > 0 while command lines carry credentials */
    struct nsx_buf offered; /* the AUTH list of the server's last EHLO */
    struct nsx_buf known;   /* the hash that session.caps were learned from */
};

/* A mortal copy.  (sv_mortalcopy takes the buffer of a mortal source away.) */
#define nsx_copy(sv) sv_2mortal(newSVsv(sv))

/* A stretch of work that a die must not leave unnoticed.  It lives on the C
 * stack of the function that does the work: perl unwinds its savestack, which
 * looks at it, before it leaves the C functions. */
struct nsx_watch {
    struct nsx_object *obj;
    U32 handles, writes; /* of the object, as it began */
    uint64_t answered;   /* of its session */
    int inside;          /* what it adds to obj->sending */
    int whole;           /* 1 once it ended without a die */
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

/* Finds or attaches the engine of self; what waits goes on waiting. */
void nsx_op_find(pTHX_ struct nsx_op *op, SV *self);

/* --- enter.c ----------------------------------------------------------- */

/* Starts a call: finds or attaches the engine, and sends what waits (waiting.h);
 * nsx_op_begin_waiting leaves that to the call.  args are the call's n
 * arguments, held when to look at self may run code.  While an operation is
 * under way nsx_op_begin and nsx_op_begin_waiting die. */
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

/* --- class.c ----------------------------------------------------------- */

void nsx_method_boot(pTHX);

/* 1 when a class has none of its own in place of ours, save the public ones. */
int nsx_class_is_ours(pTHX_ HV *stash);

/* 1 when a class has its own in place of one that whole messages go through. */
int nsx_class_sends(pTHX_ HV *stash);

/* 1 when the object's class has a method of its own in place of ours. */
int nsx_overridden(pTHX_ struct nsx_op *op, enum nsx_method m);

/* --- method.c ---------------------------------------------------------- */

/* Our own Perl function or method of that name, or NULL. */
CV *nsx_own_function(pTHX_ const char *name);

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

#include "status.h"
#include "quiet.h"
#include "wait.h"
#include "input.h"
#include "reply.h"
#include "text.h"
#include "write.h"
#include "part.h"
#include "block.h"
#include "layer.h"
#include "waiting.h"
#include "data.h"
#include "straight.h"
#include "lane.h"
#include "flight.h"
#include "command.h"
#include "secret.h"
#include "verb.h"
#include "path.h"
#include "capability.h"

#endif
