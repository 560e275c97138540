// The only process of the emulated machine: runs the kernel checks of the sets with AVX-512 one
// after another, says on the serial port how each ended, and stops.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void run(char *program, char *option) {
  pid_t child = fork();
  if (child == 0) {
    char *arguments[] = {program, option, "amx", "avx512", "avx512-vnni", NULL};
    execv(program, arguments);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("%s: %s %d\n", program, WIFEXITED(status) ? "exit status" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  fflush(stdout);
}

int main(void) {
  // Memory that is freed stays with the process: here it takes long to get cleared pages again.
  setenv("GLIBC_TUNABLES",
         "glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=268435456", 1);
  mkdir("/dev", 0755);
  mknod("/dev/ttyS0", S_IFCHR | 0600, makedev(4, 64));
  int serial = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
  for (int fd = 0; fd < 3; fd++) {
    dup2(serial, fd);
  }
  run("/ternary_check", "--fewer-shapes");
  run("/float_check", "--without-ties"); // float_check.c says why
  run("/sparse_check", "--fewer-shapes");
  run("/head_check", "--fewer-shapes");
  printf("end of checks\n");
  fflush(stdout);
  tcdrain(1);
  reboot(RB_POWER_OFF);
  for (;;) {
    pause();
  }
}
