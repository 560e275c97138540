import Foundation

/// A small library with OpenBLAS's functions, made to behave like the OpenBLAS that a test needs.
struct FakeOpenBLAS {
    /// The core it chooses itself.
    var own = "Haswell"
    /// Cores that it has, and takes when `OPENBLAS_CORETYPE` names them.
    var cores = ["Prescott", "Haswell", "SkylakeX"]
    /// Cores whose products are wrong.
    var wrong: [String] = []
    var configuration = "OpenBLAS 9.8.7 DYNAMIC_ARCH MAX_THREADS=64"
    /// What `openblas_get_parallel` says.
    var parallel = 1
    /// Whether it keeps to two threads, whatever it is told.
    var keepsThreads = false

    /// The compiler beside the Swift that has built the tests; nil where there is none.
    static let compiler: String? = ["clang", "cc"].lazy.compactMap { name in
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
            .map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }.first

    private static let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("fake-openblas-\(ProcessInfo.processInfo.processIdentifier)")

    /// Removes what this process has built.
    static func removeAll() { try? FileManager.default.removeItem(at: folder) }

    /// Compiles it and returns the path of the library, a new one each time.
    func build() throws -> String {
        let folder = Self.folder.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let source = folder.appendingPathComponent("fake.c")
        try Data(Self.source.utf8).write(to: source)
        let library = folder.appendingPathComponent("libfake.so").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.compiler ?? "no compiler")
        process.arguments =
            ["-shared", "-fPIC", "-O1", source.path, "-o", library]
            + [
                "OWN=\"\(own)\"", "CORES=\" \(cores.joined(separator: " ")) \"",
                "WRONG=\" \(wrong.joined(separator: " ")) \"", "CONFIG=\"\(configuration)\"",
                "PARALLEL=\(parallel)", "KEEPS_THREADS=\(keepsThreads ? 1 : 0)",
            ].map { "-D\($0)" }
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.fileReadUnknown) }
        return library
    }

    private static let source = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>

        static char core[64] = OWN;
        static int threads = 2;

        static int is_in(const char *list, const char *name) {
          char word[80];
          snprintf(word, sizeof word, " %s ", name);
          return strstr(list, word) != NULL;
        }

        __attribute__((constructor)) static void begin(void) {
          const char *name = getenv("OPENBLAS_CORETYPE");
          if (name && strlen(name) < sizeof core && is_in(CORES, name)) {
            strcpy(core, name);
          }
        }

        const char *openblas_get_config(void) { return CONFIG; }
        const char *openblas_get_corename(void) { return core; }
        int openblas_get_parallel(void) { return PARALLEL; }
        int openblas_get_num_threads(void) { return threads; }
        void openblas_set_num_threads(int n) { threads = KEEPS_THREADS ? 2 : n; }

        void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha,
                         const float *a, int lda, const float *b, int ldb, float beta, float *c,
                         int ldc) {
          (void)order, (void)ta, (void)tb, (void)alpha, (void)beta;
          for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
              double sum = 0;
              for (int l = 0; l < k; l++) {
                sum += (double)a[i * lda + l] * b[j * ldb + l];
              }
              // Wrong ones forget the last product of the last column.
              c[i * ldc + j] = is_in(WRONG, core) && j == n - 1
                                   ? sum - a[i * lda + k - 1] * b[j * ldb + k - 1]
                                   : sum;
            }
          }
        }

        void cblas_sgemv(int order, int ta, int m, int n, float alpha, const float *a, int lda,
                         const float *x, int x_step, float beta, float *y, int y_step) {
          (void)x_step, (void)y_step;
          cblas_sgemm(order, ta, ta, 1, m, n, alpha, x, n, a, lda, beta, y, m);
        }

        """
}
