// Synchronization.Mutex for the thread sanitizer: .ci/sanitizers loads it before the Swift library.
//
// What takes a free mutex is compiled into the tests, where the sanitizer sees it. What waits for a
// mutex that another thread holds is in the Swift library, where it does not: it would report what
// two threads do one after another as a race. These two functions are wrapped here, and the
// sanitizer is told of the order.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define CONTEXT __attribute__((swift_context))

typedef __attribute__((swiftcall)) void LockSlow(uint32_t thread, CONTEXT void *mutex);
typedef __attribute__((swiftcall)) void UnlockSlow(CONTEXT void *mutex);

// Not there in SwiftPM's own processes.
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

// Synchronization._MutexHandle._lockSlow(UInt32) and ._unlockSlow(), of Swift 6.
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

LockSlow lock_slow __asm__(LOCK_SLOW);
UnlockSlow unlock_slow __asm__(UNLOCK_SLOW);

__attribute__((swiftcall)) void lock_slow(uint32_t thread, CONTEXT void *mutex) {
  ((LockSlow *)dlsym(RTLD_NEXT, LOCK_SLOW))(thread, mutex);
  if (__tsan_acquire) {
    __tsan_acquire(mutex);
  }
}

__attribute__((swiftcall)) void unlock_slow(CONTEXT void *mutex) {
  if (__tsan_release) {
    __tsan_release(mutex);
  }
  ((UnlockSlow *)dlsym(RTLD_NEXT, UNLOCK_SLOW))(mutex);
}
