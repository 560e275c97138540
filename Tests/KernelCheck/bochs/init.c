// The only process of the emulated machine: runs the kernel checks of the AVX-512 sets one after
// another, says on the serial port how each ended, and stops.

#include <fcntl.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/// `option` may be NULL.
static void run(char *program, char *option) {
  pid_t child = fork();
  if (child == 0) {
    char *arguments[] = {program, option, "avx512", "avx512-vnni", NULL};
    if (!option) {
      arguments[1] = program;
    }
    execv(program, option ? arguments : arguments + 1);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("%s: %s %d\n", program, WIFEXITED(status) ? "exit status" : "signal",
         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  fflush(stdout);
}

int main(void) {
  mkdir("/dev", 0755);
  mknod("/dev/ttyS0", S_IFCHR | 0600, makedev(4, 64));
  int serial = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
  for (int fd = 0; fd < 3; fd++)
    dup2(serial, fd);
  run("/ternary_check", NULL);
  run("/float_check", "--without-ties"); // float_check.c says why
  printf("end of checks\n");
  fflush(stdout);
  tcdrain(1);
  reboot(RB_POWER_OFF);
  for (;;)
    pause();
}
