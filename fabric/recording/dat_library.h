/* The events of a trace.dat, by way of libtracecmd and libtraceevent, whose headers are C only.
 *
 * Models: format versions 6 and 7 of trace-cmd.dat(5): the top buffer and all buffer instances of a
 * file, merged by time as trace-cmd report does. Not modelled: plug-ins (never loaded), recordings
 * of latency tracers, which are text.
 * The libraries crash, hang and print on damaged files: call this in a confined child only. */
#ifndef IRQFAB_DAT_LIBRARY_H
#define IRQFAB_DAT_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { IRQFAB_DAT_FIELDS = 5 }; /* of one event, at most */

/* An event whose fields are asked for. */
struct irqfab_dat_kind {
  const char* event;                     /* without its group */
  const char* fields[IRQFAB_DAT_FIELDS]; /* numbers; null: no more */
};

struct irqfab_dat_event {
  uint64_t time; /* in the unit of the recording's clock */
  int64_t lost;  /* events of this CPU missing before it; -1: an unknown number */
  int32_t pid;
  uint32_t cpu;
  uint32_t flags;                     /* common_flags; 0 if the event has none */
  int kind;                           /* index of the kind; -1: none of them */
  const char* name;                   /* null: the file has no format for it */
  const char* comm;                   /* may be null */
  const char* text;                   /* of `print`, without an end; else null */
  size_t text_length;                 /* bytes */
  uint32_t present;                   /* bit n: the event has field n of its kind */
  uint64_t values[IRQFAB_DAT_FIELDS]; /* signed fields are not extended */
};

enum irqfab_dat_status {
  IRQFAB_DAT_WHOLE,
  IRQFAB_DAT_NOT_OPENED, /* header, formats or the top buffer */
  IRQFAB_DAT_NO_BUFFER,  /* an instance */
  IRQFAB_DAT_ENDS_EARLY, /* a CPU has pages that could not be read */
  IRQFAB_DAT_BAD_EVENT,  /* shorter than its format says */
  IRQFAB_DAT_NO_MEMORY
};

/* The views last until the call returns. */
typedef void (*irqfab_dat_event_sink)(void* context, const struct irqfab_dat_event* event);
/* Called once, before the first event; null if the file does not say. */
typedef void (*irqfab_dat_clock_sink)(void* context, const char* clock);

/* Reads all of the file. Frees nothing: the process that calls it ends. */
enum irqfab_dat_status irqfab_dat_read(int file, const struct irqfab_dat_kind* kinds, size_t count,
                                       irqfab_dat_clock_sink clock, irqfab_dat_event_sink sink,
                                       void* context);

#ifdef __cplusplus
}
#endif

#endif
