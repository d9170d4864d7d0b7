/* suture/patch.h: code that a patch's author adds to a fix, for fixes that replacing functions alone cannot make safe.
 *
 * Include it in a source file of the tree after the fix; `suture build` puts it in the compiler's path. It offers two
 * things:
 *
 * HOOKS. Functions that run in the patched process while all of its other threads are stopped:
 *
 *     static int enlarge_pool(void) { ...; return 0; }
 *     SUTURE_PRE_APPLY(enlarge_pool);
 *
 * SHADOW DATA. Fields that are attached to an object by its address, for types whose layout must stay as it is because
 * objects of it are alive:
 *
 *     struct budget *b = suture_shadow_get(parser, BUDGET, sizeof *b, NULL, NULL);    zeros the first time
 *     suture_shadow_free(parser, BUDGET);                                              where the object is freed
 *
 * What follows is written for any compiler flags a package may have: C89, C++, -fPIC or not, no C library. Everything
 * in it belongs to the patch; the program never sees it. Names that begin with suture_ are ours.
 */
#ifndef SUTURE_PATCH_H
#define SUTURE_PATCH_H
#pragma GCC system_header /* the package's warnings are not about this file */

#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__)
#error "suture/patch.h does not know this processor's system calls"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* One copy in a patch, however many of its files include this one. */
#define SUTURE_SHARED_ __attribute__((weak, visibility("hidden")))

/* --- Hooks
 * ------------------------------------------------------------------------------------------------------------
 *
 * Kind         runs                                                other than 0 means
 * pre-apply    before the new code takes effect                    refuse: the patch is not applied
 * post-apply   when it has, before any thread ran it               refuse: the old code is put back
 * pre-revert   before the old code takes effect again              refuse: the patch stays applied
 * post-revert  when it has; also when applying was given up after  nothing; it is reported
 *              a pre-apply hook of the patch had begun
 *
 * A process that starts from a coldpatched file has nothing to bring over, so no hook runs there.
 *
 * A hook runs on some thread of the process, with all signals blocked and all other threads stopped wherever they
 * happen to be. So it must not
 *   - wait for a lock that another thread may hold. malloc, free, printf and their like take such locks;
 *   - make or replace processes or threads (such system calls are answered with ENOSYS), exit, longjmp or throw;
 *   - use more than 8 KiB of stack or take long: after a second it is let go on among running threads, and the patch is
 * refused. What pre-apply does must not disturb the old code, and what pre-revert does must not disturb the new: should
 * the tool be killed in between, they run on until the next run of it puts things in order. Each hook is entered once
 * for one apply or revert.
 */
typedef int (*suture_hook)(void);

#define SUTURE_PRE_APPLY(function) SUTURE_HOOK_(pre_apply, function)
#define SUTURE_POST_APPLY(function) SUTURE_HOOK_(post_apply, function)
#define SUTURE_PRE_REVERT(function) SUTURE_HOOK_(pre_revert, function)
#define SUTURE_POST_REVERT(function) SUTURE_HOOK_(post_revert, function)
#define SUTURE_HOOK_(kind, function) \
  static suture_hook suture_##kind##_##function __attribute__((used, section(".suture.hooks." #kind))) = function

struct suture_hook_count {
  uint32_t begun;
  uint32_t done;
  int32_t refusal; /* the first value other than 0 */
  uint32_t unused;
};

extern SUTURE_SHARED_ struct suture_hook_count suture_hook_counts_[4];
SUTURE_SHARED_ struct suture_hook_count suture_hook_counts_[4] = {{0, 0, 0, 0}};

/* The counts are kept by the thread that runs the hook: they are right also when nobody watches it any more. */
SUTURE_SHARED_ void suture_run_hook_(struct suture_hook_count *count, suture_hook hook);
SUTURE_SHARED_ void suture_run_hook_(struct suture_hook_count *count, suture_hook hook) {
  int refusal;
  __atomic_store_n(&count->begun, count->begun + 1, __ATOMIC_SEQ_CST);
  refusal = hook();
  if (refusal != 0 && count->refusal == 0) __atomic_store_n(&count->refusal, refusal, __ATOMIC_SEQ_CST);
  __atomic_store_n(&count->done, count->done + 1, __ATOMIC_SEQ_CST);
}

/* --- Shadow data
 * ------------------------------------------------------------------------------------------------------
 *
 * Keyed by the object's address and a number of the author's choice: any constant, other than those of other patches of
 * the same program. Patches of one image find each other's data (keep the number, and the meaning, in a patch that
 * supersedes another); a program and its libraries have a table each.
 *
 * An object may die while its shadow data lives, and another be born at its address, which would then inherit it: call
 * suture_shadow_free() where objects are freed, or set all fields where they are made.
 *
 * May be called from any thread, from hooks, and from signal handlers; takes no lock and calls no library. In a child
 * made by fork the data is the parent's as it was. When the last patch that uses the table is reverted, its memory is
 * unmapped.
 */

/* The data of (object, id), made when there is none: `size` zero bytes, aligned to 16, then init(object, data,
 * argument) unless init is NULL; other threads that ask meanwhile wait. NULL when init returned other than 0 (there is
 * no data then), when memory ran out, or when another thread does not finish its init. `size` counts only when data is
 * made. */
SUTURE_SHARED_ void *suture_shadow_get(const void *object, uint64_t id, size_t size,
                                       int (*init)(void *object, void *data, void *argument), void *argument);
/* The data of (object, id), or NULL when there is none. */
SUTURE_SHARED_ void *suture_shadow_find(const void *object, uint64_t id);
/* Forgets the data of (object, id); nothing happens when there is none. */
SUTURE_SHARED_ void suture_shadow_free(const void *object, uint64_t id);
/* visit(object, data, argument) for all data of this id, until it returns other than 0, which is then returned. For
 * hooks. */
SUTURE_SHARED_ int suture_shadow_each(uint64_t id, int (*visit)(void *object, void *data, void *argument),
                                      void *argument);

/* A hash table of chains that only grow. A slot is never unlinked, only reused for another key of the same chain, so
 * that readers need no lock; its state counts up with each use, so that they notice. Suture knows these three
 * structures. */
struct suture_shadow_slot {
  uint64_t state; /* use * 8 + SUTURE_SLOT_... */
  struct suture_shadow_slot *next;
  uint64_t object;
  uint64_t id;
  uint64_t capacity;
  uint64_t unused;
};
struct suture_shadow_arena {
  uint64_t magic;
  struct suture_shadow_arena *next;
  uint64_t bytes; /* of the mapping, this header included */
  uint64_t used;
};
#define SUTURE_SHADOW_BUCKETS_ 8184
struct suture_shadow_table {
  uint64_t magic;
  uint64_t bytes;                     /* of the mapping */
  struct suture_shadow_arena *arenas; /* the latest first */
  uint64_t unused[5];
  struct suture_shadow_slot *buckets[SUTURE_SHADOW_BUCKETS_];
};
#define SUTURE_SHADOW_TABLE_MAGIC_ 0x4241545753545553u /* "SUTSWTAB" */
#define SUTURE_SHADOW_ARENA_MAGIC_ 0x4e45524157535553u /* "SUSWAREN" */

/* Set by whoever applies the patch; in a coldpatched image, by the first who needs it. */
extern SUTURE_SHARED_ struct suture_shadow_table *suture_shadow_root_;
SUTURE_SHARED_ struct suture_shadow_table *suture_shadow_root_ = 0;

enum {
  SUTURE_SLOT_FREE = 0,
  SUTURE_SLOT_TAKEN = 1,   /* its key is being written */
  SUTURE_SLOT_CLAIMED = 2, /* for its key, if nobody else does the same */
  SUTURE_SLOT_INIT = 3,    /* for its key alone; init runs */
  SUTURE_SLOT_LIVE = 4,
  SUTURE_SLOT_STATES_ = 8,
  /* How often to look again at what another thread is doing: a quarter of a second or more. */
  SUTURE_SHADOW_PATIENCE_ = 1 << 22,
  SUTURE_SHADOW_ARENA_BYTES_ = 1 << 16
};

static __inline__ long suture_call_(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
  long result;
  register uint64_t r10 __asm__("r10") = d;
  register uint64_t r8 __asm__("r8") = e;
  register uint64_t r9 __asm__("r9") = 0;
  __asm__ __volatile__("syscall"
                       : "=a"(result)
                       : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                       : "rcx", "r11", "memory");
  return result;
}

/* Fresh zero pages straight from the kernel: the same call that malloc makes, without its locks. */
static __inline__ void *suture_map_(uint64_t bytes) {
  const long at =
      suture_call_(9 /* mmap */, 0, bytes, 3 /* read, write */, 0x22 /* private, anonymous */, ~(uint64_t)0);
  return at < 0 && at > -4096 ? (void *)0 : (void *)at;
}

static __inline__ void suture_unmap_(void *at, uint64_t bytes) {
  (void)suture_call_(11 /* munmap */, (uint64_t)at, bytes, 0, 0, 0);
}

static __inline__ struct suture_shadow_table *suture_shadow_table_(void) {
  struct suture_shadow_table *none = 0;
  struct suture_shadow_table *table = __atomic_load_n(&suture_shadow_root_, __ATOMIC_SEQ_CST);
  if (table != 0) return table;
  table = (struct suture_shadow_table *)suture_map_(sizeof *table);
  if (table == 0) return 0;
  table->magic = SUTURE_SHADOW_TABLE_MAGIC_;
  table->bytes = sizeof *table;
  if (__atomic_compare_exchange_n(&suture_shadow_root_, &none, table, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    return table;
  suture_unmap_(table, sizeof *table);
  return none;
}

static __inline__ struct suture_shadow_slot **suture_shadow_bucket_(struct suture_shadow_table *table,
                                                                    uint64_t object) {
  return &table->buckets[((object >> 4) * 0x9e3779b97f4a7c15u >> 32) % SUTURE_SHADOW_BUCKETS_];
}

static __inline__ unsigned suture_slot_state_(const struct suture_shadow_slot *slot) {
  return (unsigned)(__atomic_load_n(&slot->state, __ATOMIC_SEQ_CST) % SUTURE_SLOT_STATES_);
}

/* Whether the slot is for this key now: that its state is the same before and after makes the key read in between its
 * own. */
static __inline__ unsigned suture_slot_for_(const struct suture_shadow_slot *slot, uint64_t object, uint64_t id) {
  for (;;) {
    const uint64_t state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
    const int mine = state % SUTURE_SLOT_STATES_ >= SUTURE_SLOT_CLAIMED &&
                     __atomic_load_n(&slot->object, __ATOMIC_SEQ_CST) == object &&
                     __atomic_load_n(&slot->id, __ATOMIC_SEQ_CST) == id;
    if (__atomic_load_n(&slot->state, __ATOMIC_SEQ_CST) == state)
      return mine ? (unsigned)(state % SUTURE_SLOT_STATES_) : 0;
  }
}

/* The first slot for this key other than `except`, and its state. */
static __inline__ struct suture_shadow_slot *suture_slot_find_(struct suture_shadow_slot **bucket, uint64_t object,
                                                               uint64_t id, const struct suture_shadow_slot *except,
                                                               unsigned *state) {
  struct suture_shadow_slot *slot = __atomic_load_n(bucket, __ATOMIC_SEQ_CST);
  for (; slot != 0; slot = slot->next) {
    if (slot == except) continue;
    *state = suture_slot_for_(slot, object, id);
    if (*state != 0) return slot;
  }
  *state = 0;
  return 0;
}

/* Only the slot's owner calls this. */
static __inline__ void suture_slot_become_(struct suture_shadow_slot *slot, unsigned state) {
  const uint64_t now = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
  const uint64_t use = now / SUTURE_SLOT_STATES_ + (state == SUTURE_SLOT_FREE ? 1 : 0);
  __atomic_store_n(&slot->state, use * SUTURE_SLOT_STATES_ + state, __ATOMIC_SEQ_CST);
}

static __inline__ struct suture_shadow_slot *suture_slot_new_(struct suture_shadow_table *table, uint64_t capacity) {
  const uint64_t need = sizeof(struct suture_shadow_slot) + capacity;
  struct suture_shadow_arena *arena = __atomic_load_n(&table->arenas, __ATOMIC_SEQ_CST);
  struct suture_shadow_slot *slot;
  uint64_t at = 0;
  if (arena != 0) at = __atomic_fetch_add(&arena->used, need, __ATOMIC_SEQ_CST);
  if (arena == 0 || at + need > arena->bytes) {
    const uint64_t bytes = (need + SUTURE_SHADOW_ARENA_BYTES_ + 4095) / 4096 * 4096;
    arena = (struct suture_shadow_arena *)suture_map_(bytes);
    if (arena == 0) return 0;
    at = sizeof *arena;
    arena->magic = SUTURE_SHADOW_ARENA_MAGIC_;
    arena->bytes = bytes;
    arena->used = at + need;
    arena->next = __atomic_load_n(&table->arenas, __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(&table->arenas, &arena->next, arena, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
  }
  slot = (struct suture_shadow_slot *)((char *)arena + at);
  slot->capacity = capacity;
  return slot;
}

/* A slot of at least `size` bytes that is CLAIMED for the key: a free one of its chain, or a new one at its head. */
static __inline__ struct suture_shadow_slot *suture_slot_claim_(struct suture_shadow_table *table,
                                                                struct suture_shadow_slot **bucket, uint64_t object,
                                                                uint64_t id, uint64_t size) {
  const uint64_t capacity = (size + 15) / 16 * 16;
  struct suture_shadow_slot *slot = __atomic_load_n(bucket, __ATOMIC_SEQ_CST);
  for (; slot != 0; slot = slot->next) {
    uint64_t state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
    if (state % SUTURE_SLOT_STATES_ != SUTURE_SLOT_FREE || slot->capacity < capacity ||
        slot->capacity > 2 * capacity + 64)
      continue;
    if (__atomic_compare_exchange_n(&slot->state, &state, state + SUTURE_SLOT_TAKEN, 0, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
      break;
  }
  if (slot != 0) {
    uint64_t at;
    for (at = 0; at < slot->capacity / 8; ++at)
      ((volatile uint64_t *)(slot + 1))[at] = 0; /* volatile: not a call of memset */
    __atomic_store_n(&slot->object, object, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->id, id, __ATOMIC_SEQ_CST);
    suture_slot_become_(slot, SUTURE_SLOT_CLAIMED);
    return slot;
  }
  slot = suture_slot_new_(table, capacity);
  if (slot == 0) return 0;
  slot->object = object;
  slot->id = id;
  slot->state = SUTURE_SLOT_CLAIMED;
  slot->next = __atomic_load_n(bucket, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(bucket, &slot->next, slot, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return slot;
}

/* Whether the claim is the only one. Of two that see each other, the one at the higher address steps back and the other
 * waits for that; one that saw nobody wins, and is seen by all who claim later. */
static __inline__ int suture_slot_wins_(struct suture_shadow_slot **bucket, struct suture_shadow_slot *slot,
                                        long *patience) {
  for (; *patience > 0; --*patience) {
    unsigned state;
    const struct suture_shadow_slot *other = suture_slot_find_(bucket, slot->object, slot->id, slot, &state);
    if (other == 0) return 1;
    if (state != SUTURE_SLOT_CLAIMED || other < slot) return 0;
    __builtin_ia32_pause();
  }
  return 0;
}

SUTURE_SHARED_ void *suture_shadow_get(const void *object, uint64_t id, size_t size,
                                       int (*init)(void *object, void *data, void *argument), void *argument) {
  const uint64_t key = (uint64_t)object;
  struct suture_shadow_table *table = suture_shadow_table_();
  struct suture_shadow_slot **bucket;
  long patience;
  if (table == 0 || size > (size_t)1 << 30) return 0;
  bucket = suture_shadow_bucket_(table, key);
  for (patience = SUTURE_SHADOW_PATIENCE_; patience > 0; --patience) {
    unsigned state;
    struct suture_shadow_slot *slot = suture_slot_find_(bucket, key, id, 0, &state);
    if (slot != 0 && state == SUTURE_SLOT_LIVE) return slot + 1;
    if (slot != 0) { /* another thread is making it */
      __builtin_ia32_pause();
      continue;
    }
    slot = suture_slot_claim_(table, bucket, key, id, size);
    if (slot == 0) return 0;
    if (!suture_slot_wins_(bucket, slot, &patience)) {
      suture_slot_become_(slot, SUTURE_SLOT_FREE);
      continue;
    }
    suture_slot_become_(slot, SUTURE_SLOT_INIT);
    if (init != 0 && init((void *)key, slot + 1, argument) != 0) {
      suture_slot_become_(slot, SUTURE_SLOT_FREE);
      return 0;
    }
    suture_slot_become_(slot, SUTURE_SLOT_LIVE);
    return slot + 1;
  }
  return 0;
}

SUTURE_SHARED_ void *suture_shadow_find(const void *object, uint64_t id) {
  struct suture_shadow_table *table = __atomic_load_n(&suture_shadow_root_, __ATOMIC_SEQ_CST);
  unsigned state;
  struct suture_shadow_slot *slot;
  if (table == 0) return 0;
  slot = suture_slot_find_(suture_shadow_bucket_(table, (uint64_t)object), (uint64_t)object, id, 0, &state);
  return state == SUTURE_SLOT_LIVE ? slot + 1 : (void *)0;
}

SUTURE_SHARED_ void suture_shadow_free(const void *object, uint64_t id) {
  struct suture_shadow_table *table = __atomic_load_n(&suture_shadow_root_, __ATOMIC_SEQ_CST);
  struct suture_shadow_slot *slot;
  if (table == 0) return;
  for (slot = __atomic_load_n(suture_shadow_bucket_(table, (uint64_t)object), __ATOMIC_SEQ_CST); slot != 0;
       slot = slot->next) {
    uint64_t state = __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
    if (state % SUTURE_SLOT_STATES_ != SUTURE_SLOT_LIVE || slot->object != (uint64_t)object || slot->id != id) continue;
    /* Fails when another thread was quicker, and then there is nothing left to do here. */
    (void)__atomic_compare_exchange_n(&slot->state, &state, (state / SUTURE_SLOT_STATES_ + 1) * SUTURE_SLOT_STATES_, 0,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return;
  }
}

SUTURE_SHARED_ int suture_shadow_each(uint64_t id, int (*visit)(void *object, void *data, void *argument),
                                      void *argument) {
  struct suture_shadow_table *table = __atomic_load_n(&suture_shadow_root_, __ATOMIC_SEQ_CST);
  struct suture_shadow_slot *slot;
  unsigned bucket;
  for (bucket = 0; table != 0 && bucket < SUTURE_SHADOW_BUCKETS_; ++bucket)
    for (slot = __atomic_load_n(&table->buckets[bucket], __ATOMIC_SEQ_CST); slot != 0; slot = slot->next) {
      int result;
      if (suture_slot_state_(slot) != SUTURE_SLOT_LIVE || slot->id != id) continue;
      result = visit((void *)slot->object, slot + 1, argument);
      if (result != 0) return result;
    }
  return 0;
}

#ifdef __cplusplus
}
#endif
#endif
