#include "fabric/recording/dat_library.h"

#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>

/* Exported by libtracecmd, and declared in no header of it. */
off_t tracecmd_get_cpu_file_size(struct tracecmd_input* handle, int cpu);
int tracecmd_cpus(struct tracecmd_input* handle);
int tracecmd_page_size(struct tracecmd_input* handle);
const char* tracecmd_get_trace_clock(struct tracecmd_input* handle);

enum { ids = 1 << 16 }; /* common_type is 16 bits wide */

/* What the file says of one event, looked up once. */
struct format {
  const struct tep_event* event; /* null: none */
  int kind;
  struct tep_format_field* flags;
  struct tep_format_field* text;
  struct tep_format_field* fields[IRQFAB_DAT_FIELDS];
};

/* The data of one CPU in one buffer. Offsets are those of the library. */
struct lane {
  struct tracecmd_input* handle;
  int index; /* of the CPU within the buffer */
  struct tep_record* next;
  uint64_t page_size;
  uint64_t first_page;
  uint64_t last_page;
};

struct reading {
  struct tep_handle* tep;
  const struct irqfab_dat_kind* kinds;
  size_t kind_count;
  irqfab_dat_event_sink sink;
  void* context;
  struct format** formats; /* by id */
  struct lane* lanes;      /* top buffer first, by CPU */
  size_t lane_count;
};

static struct format* make_format(struct reading* reading, int id) {
  struct format* format = calloc(1, sizeof(*format));
  if (!format) return NULL;
  format->kind = -1;
  struct tep_event* event = tep_find_event(reading->tep, id);
  if (!event) return format;
  format->event = event;
  format->flags = tep_find_common_field(event, "common_flags");
  if (strcmp(event->name, "print") == 0) format->text = tep_find_field(event, "buf");
  for (size_t kind = 0; kind < reading->kind_count; ++kind) {
    if (strcmp(reading->kinds[kind].event, event->name) != 0) continue;
    format->kind = (int)kind;
    for (int i = 0; i < IRQFAB_DAT_FIELDS && reading->kinds[kind].fields[i]; ++i) {
      format->fields[i] = tep_find_field(event, reading->kinds[kind].fields[i]);
    }
    break;
  }
  return format;
}

/* A number of the record; 0 if it does not lie within it. */
static int read_number(struct tep_format_field* field, const struct tep_record* record,
                       uint64_t* value) {
  unsigned long long number = 0;
  if (field->offset < 0 || field->size < 0 || record->size < field->offset ||
      record->size - field->offset < field->size ||
      tep_read_number_field(field, record->data, &number) != 0) {
    return 0;
  }
  *value = number;
  return 1;
}

static int read_fields(const struct format* format, const struct tep_record* record,
                       struct irqfab_dat_event* event) {
  uint64_t flags = 0;
  if (format->flags && !read_number(format->flags, record, &flags)) return 0;
  event->flags = (uint32_t)flags;
  for (int i = 0; i < IRQFAB_DAT_FIELDS; ++i) {
    if (!format->fields[i]) continue;
    if (!read_number(format->fields[i], record, &event->values[i])) return 0;
    event->present |= 1u << i;
  }
  if (!format->text) return 1;
  if (format->text->offset < 0 || format->text->offset > record->size) return 0;
  event->text = (const char*)record->data + format->text->offset;
  event->text_length = strnlen(event->text, (size_t)(record->size - format->text->offset));
  return 1;
}

static enum irqfab_dat_status take(struct reading* reading, struct tep_record* record) {
  enum { common_fields = 8 }; /* type, flags, preempt count, pid: include/linux/trace_events.h */
  if (record->size < common_fields) return IRQFAB_DAT_BAD_EVENT;
  const int id = tep_data_type(reading->tep, record);
  if (id < 0 || id >= ids) return IRQFAB_DAT_BAD_EVENT;
  if (!reading->formats[id]) reading->formats[id] = make_format(reading, id);
  const struct format* format = reading->formats[id];
  if (!format) return IRQFAB_DAT_NO_MEMORY;

  struct irqfab_dat_event event;
  memset(&event, 0, sizeof(event));
  event.time = record->ts;
  event.lost = record->missed_events;
  event.cpu = (uint32_t)record->cpu;
  event.pid = tep_data_pid(reading->tep, record);
  event.comm = tep_data_comm_from_pid(reading->tep, event.pid);
  event.kind = format->kind;
  event.name = format->event ? format->event->name : NULL;
  if (!read_fields(format, record, &event)) return IRQFAB_DAT_BAD_EVENT;
  reading->sink(reading->context, &event);
  return IRQFAB_DAT_WHOLE;
}

static enum irqfab_dat_status add_lanes(struct reading* reading, struct tracecmd_input* handle) {
  const int cpus = tracecmd_cpus(handle);
  if (cpus <= 0) return IRQFAB_DAT_WHOLE;
  const size_t count = reading->lane_count + (size_t)cpus;
  struct lane* lanes = realloc(reading->lanes, count * sizeof(*lanes));
  if (!lanes) return IRQFAB_DAT_NO_MEMORY;
  reading->lanes = lanes;
  for (int index = 0; index < cpus; ++index) {
    struct lane* lane = &lanes[reading->lane_count++];
    memset(lane, 0, sizeof(*lane));
    lane->handle = handle;
    lane->index = index;
    lane->page_size = (uint64_t)tracecmd_page_size(handle);
    lane->next = tracecmd_read_data(handle, index);
    if (lane->page_size == 0) return IRQFAB_DAT_NO_BUFFER;
    if (lane->next) lane->first_page = lane->next->offset / lane->page_size;
    lane->last_page = lane->first_page;
    if (!lane->next && tracecmd_get_cpu_file_size(handle, index) > 0) return IRQFAB_DAT_ENDS_EARLY;
  }
  return IRQFAB_DAT_WHOLE;
}

static enum irqfab_dat_status open_buffers(struct reading* reading, struct tracecmd_input* top) {
  reading->formats = calloc(ids, sizeof(*reading->formats));
  if (!reading->formats) return IRQFAB_DAT_NO_MEMORY;
  enum irqfab_dat_status status = add_lanes(reading, top);
  for (int i = 0; status == IRQFAB_DAT_WHOLE && i < tracecmd_buffer_instances(top); ++i) {
    struct tracecmd_input* handle = tracecmd_buffer_instance_handle(top, i);
    status = handle ? add_lanes(reading, handle) : IRQFAB_DAT_NO_BUFFER;
  }
  return status;
}

/* The earliest record; of those of one time, that of the first lane. */
static struct lane* earliest(struct reading* reading) {
  struct lane* found = NULL;
  for (size_t i = 0; i < reading->lane_count; ++i) {
    struct lane* lane = &reading->lanes[i];
    if (lane->next && (!found || lane->next->ts < found->next->ts)) found = lane;
  }
  return found;
}

/* The library takes a page that it cannot read for the end of that CPU's data. */
static int all_pages_read(const struct lane* lane) {
  const off_t size = tracecmd_get_cpu_file_size(lane->handle, lane->index);
  if (size <= 0) return 1;
  const uint64_t pages = ((uint64_t)size + lane->page_size - 1) / lane->page_size;
  return lane->last_page - lane->first_page + 1 >= pages;
}

enum irqfab_dat_status irqfab_dat_read(int file, const struct irqfab_dat_kind* kinds, size_t count,
                                       irqfab_dat_clock_sink clock, irqfab_dat_event_sink sink,
                                       void* context) {
  struct reading reading;
  memset(&reading, 0, sizeof(reading));
  reading.kinds = kinds;
  reading.kind_count = count;
  reading.sink = sink;
  reading.context = context;
  struct tracecmd_input* top = tracecmd_open_fd(file, TRACECMD_FL_LOAD_NO_PLUGINS);
  if (!top) return IRQFAB_DAT_NOT_OPENED;
  reading.tep = tracecmd_get_tep(top);
  enum irqfab_dat_status status = open_buffers(&reading, top);
  if (status != IRQFAB_DAT_WHOLE) return status;
  clock(context, tracecmd_get_trace_clock(top));
  struct lane* lane = NULL;
  while ((lane = earliest(&reading))) {
    status = take(&reading, lane->next);
    if (status != IRQFAB_DAT_WHOLE) return status;
    tracecmd_free_record(lane->next);
    lane->next = tracecmd_read_data(lane->handle, lane->index);
    if (lane->next) lane->last_page = lane->next->offset / lane->page_size;
  }
  for (size_t i = 0; i < reading.lane_count; ++i) {
    if (!all_pages_read(&reading.lanes[i])) return IRQFAB_DAT_ENDS_EARLY;
  }
  return IRQFAB_DAT_WHOLE;
}
