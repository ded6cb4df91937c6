/* Named fault points: where a test build crashes or stops when it is told to; nothing elsewhere.
 *
 * LUJIAN_FAULT=NAME:crash or NAME:stop, with :N for the N-th time that the point is passed (1 = the
 * first). Several stand with commas between. A name is "layer.what_was_just_done". */
#ifndef LUJIAN_BASE_FAULT_H
#define LUJIAN_BASE_FAULT_H

#ifdef LUJIAN_FAULT_POINTS
void fault_point(const char *name);
/* Tests in one process: called at every point, on whichever thread passes it; NULL = none. */
void fault_set_hook(void (*hook)(const char *name));
#else
#define fault_point(name)    ((void)(name))
#define fault_set_hook(hook) ((void)(hook))
#endif

#endif
