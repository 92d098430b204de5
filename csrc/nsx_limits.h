/*
 * nsx_limits.h - every cap and fixed size of the engine, in one table.
 *
 * A peer may be hostile, so nothing it sends can make memory grow past
 * these numbers.  All sizes are octets unless the name says otherwise.
 */
#ifndef NSX_LIMITS_H
#define NSX_LIMITS_H

/* One line as getline hands it out.  POP3 and NNTP article lines pass
 * through the same channel, so this is far above RFC 5321 4.5.3.1.5's 512. */
#define NSX_MAX_LINE (16u * 1024u * 1024u)

/* One line of a reply, and one whole reply with all its continuation lines. */
#define NSX_MAX_REPLY_LINE (64u * 1024u)
#define NSX_MAX_REPLY (1024u * 1024u)
#define NSX_MAX_REPLY_LINES 10000u

/* One command line, CRLF included. */
#define NSX_MAX_COMMAND (16u * 1024u * 1024u)

/* A command line of the usual length, CRLF included (RFC 5321 4.5.3.1.4), and
 * a reply that can be taken without a buffer. */
#define NSX_SHORT_OCTETS 512u

/* One read from the transport, and the staging block a body is encoded into. */
#define NSX_READ_SIZE 16384u
#define NSX_BLOCK_SIZE 65536u

/* Most octets one step of a session reads from the wire, and writes to it: then
 * the caller looks at the clock and at its signals. */
#define NSX_STEP_OCTETS (256u * 1024u)

/* Replies one flight may wait for: 10,000 recipients and then some. */
#define NSX_MAX_EXPECTED 16384u

/* A buffer that is empty keeps no more memory than this. */
#define NSX_IDLE_BUFFER 1024u

/* What a message keeps for the next one: room for recipients, octets of each of
 * its buffers. */
#define NSX_IDLE_RECIPIENTS 64u
#define NSX_IDLE_TEXT 4096u

/* What is kept of EHLO's answer: a word, NUL included; the mechanisms of AUTH;
 * the greatest number of LIMITS (RFC 9422 3: six digits). */
#define NSX_MAX_CAP_WORD 40u
#define NSX_MAX_AUTH_LIST 4096u
#define NSX_MAX_SERVER_LIMIT 999999u

/* Reply codes are three digits (RFC 5321 4.2). */
#define NSX_CODE_DIGITS 3u

/* Text of an error, NUL included. */
#define NSX_ERROR_TEXT 512u

/* Server challenges ("334" steps) one authentication may take. */
#define NSX_MAX_SASL_STEPS 16u

/* One line of the AUTH exchange, CRLF included (RFC 4954 4), and the name of
 * a mechanism that the caller brings along. */
#define NSX_MAX_AUTH_LINE 12288u
#define NSX_MAX_SASL_NAME 255u

/* One challenge, decoded, and one response, not yet encoded. */
#define NSX_MAX_SASL_CHALLENGE (48u * 1024u)
#define NSX_MAX_SASL_RESPONSE (256u * 1024u)

/* The longest digest (SHA-512), and the random octets of a client nonce. */
#define NSX_MAX_DIGEST 64u
#define NSX_SASL_NONCE_OCTETS 18u

/* SCRAM's iteration count is the server's to choose; the client pays.  Fewer
 * than the least (RFC 5802 5.1, RFC 7677 4) make the password easier to guess
 * for whoever gets the proof.  A slice is done before anything else is looked
 * at: some milliseconds. */
#define NSX_MIN_SCRAM_ITERATIONS 4096ul
#define NSX_MAX_SCRAM_ITERATIONS 10000000ul
#define NSX_SCRAM_SLICE 2048ul

/* Words that are kept of AUTH when its lists are merged; more, or longer ones
 * (RFC 4422 3.1: 20 at most), no server has.  Bounds the time. */
#define NSX_MAX_AUTH_WORDS 64u
#define NSX_MAX_AUTH_WORD 64u

/* Seconds a stapled OCSP answer that names no end is good for. */
#define NSX_MAX_OCSP_AGE 86400L

/* Sets of trust anchors that a process keeps for later connections. */
#define NSX_MAX_SHARED_STORES 8u

/* Comments, and angle pairs, of one address that may prove never to close;
 * such brackets after that many are ordinary characters.  Bounds the time. */
#define NSX_MAX_ADDR_TRIES 16u

/* Reply text kept of one recipient's outcome, and of all of a message's;
 * what is longer is cut off. */
#define NSX_MAX_OUTCOME_TEXT 4096u
#define NSX_MAX_OUTCOME_TEXTS (16u * 1024u * 1024u)

/* All addresses and option values of one message, one option value, and the
 * text that says why a message was refused locally, NUL included. */
#define NSX_MAX_ENVELOPE (64u * 1024u * 1024u)
#define NSX_MAX_OPTION 1024u
#define NSX_MAX_ENVID 100u /* RFC 3461 4.4 */
#define NSX_REFUSAL_TEXT 320u

/* Commands of a flight wait in the buffer up to about this much; so many
 * replies are left for what follows them; so many chunks of a body go before
 * the first one's reply; and what one step measures, or how many replies it
 * looks at. */
#define NSX_FLIGHT_WINDOW 16384u
#define NSX_EXPECT_SPARE 8u
#define NSX_CHUNKS_AHEAD 4u
#define NSX_MEASURE_OCTETS (1024u * 1024u)
#define NSX_REPLIES_A_STEP 256u

/* A host's name (RFC 1035 2.3.4, and the one octet SOCKS5 counts it by), NUL
 * not included; user or password of HTTP's Basic; what is kept of one reply of
 * a proxy's, all that it may say, and octets looked at in one read. */
#define NSX_MAX_HOST 255u
#define NSX_MAX_PROXY_SECRET 1024u
#define NSX_PROXY_HEAD 128u
#define NSX_MAX_PROXY_REPLY (64u * 1024u)
#define NSX_PROXY_LOOK 1024u

/* One address of the system's (struct sockaddr_storage has this much), those of
 * one host that are tried, and descriptors that are waited for at once. */
#define NSX_MAX_SOCKADDR 128u
#define NSX_MAX_ADDRESSES 64u
#define NSX_MAX_HANDLES NSX_MAX_ADDRESSES

/* The stack of a thread that asks for a name: modules of the system's own run
 * on it. */
#define NSX_RESOLVE_STACK (512u * 1024u)

/* Milliseconds: until the next address is tried (RFC 8305 5); between two looks
 * at several attempts by who sees only the newest; until a Unix socket whose
 * queue is full is tried again. */
#define NSX_NEXT_ATTEMPT_MS 250
#define NSX_LOOK_MS 20
#define NSX_TRY_AGAIN_MS 50

#endif
