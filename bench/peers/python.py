#!/usr/bin/python3
"""python.py MODE PORT COUNT SIZE RECIPIENTS [CA-FILE] - Python's smtplib.

MODE and output as bench/README.md says.
"""
import smtplib
import ssl
import sys
import time

mode, port, count, size, recipients = sys.argv[1], *map(int, sys.argv[2:6])
ca = sys.argv[6] if len(sys.argv) > 6 else None
SENDER = "sender@example.com"
TO = ["recipient@example.com"] * recipients


def body(octets):
    line = b"x" * 70 + b"\n"
    text = line * (octets // len(line))
    return text + b"x" * (octets - 1 - len(text)) + b"\n"


def dial():
    return smtplib.SMTP("127.0.0.1", port, local_hostname="bench", timeout=60)


def tls():
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    return context


def steps(smtp, text):
    for code, reply in (
        smtp.mail(SENDER),
        *(smtp.rcpt(to) for to in TO),
        smtp.data(text),
    ):
        if code >= 300:
            raise SystemExit(reply)


def keep(send):
    smtp, text = dial(), body(size)
    smtp.ehlo()

    def work():
        for _ in range(count):
            send(smtp, text)

    measure(work)
    smtp.quit()


def each():
    text = body(size)

    def work():
        for _ in range(count):
            smtp = dial()
            smtp.sendmail(SENDER, TO, text)
            smtp.quit()

    measure(work)


def login():
    def once():
        smtp = dial()
        smtp.ehlo()
        smtp.starttls(context=tls())
        smtp.ehlo()
        smtp.quit()

    once()
    measure(lambda: [once() for _ in range(count)])


def over_tls():
    text = body(size)

    def work():
        smtp = smtplib.SMTP_SSL("127.0.0.1", port, local_hostname="bench",
                                timeout=60, context=tls())
        smtp.sendmail(SENDER, TO, text)
        smtp.quit()

    measure(work)


def measure(work):
    wall, cpu = time.monotonic(), time.process_time()
    work()
    print("wall %d cpu %d" % (1e6 * (time.monotonic() - wall),
                              1e6 * (time.process_time() - cpu)))


{
    "steps": lambda: keep(steps),
    "keep": lambda: keep(lambda smtp, text: smtp.sendmail(SENDER, TO, text)),
    "each": each,
    "login": login,
    "tls": over_tls,
}[mode]()
