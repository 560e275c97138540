internal import CTernaryKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One opening of OpenBLAS's shared library: what it says of itself, and its functions.
struct OpenBLASLibrary {
    /// Why a library cannot be used.
    struct Unusable: Error {
        let reason: String
        /// Whether there is no such file at all.
        var isMissing = false
    }

    let name: String
    let configuration: String
    let core: String
    let functions: tk_blas
    let getThreads: @convention(c) @Sendable () -> CInt
    let setThreads: @convention(c) @Sendable (CInt) -> Void
    private let handle: UnsafeMutableRawPointer

    /// Opens `name` with the kernels called `core`, or with those of its own choice.
    init(_ name: String, core: String?) throws(Unusable) {
        let opened = Self.withCoreType(core) { dlopen(name, RTLD_NOW | RTLD_LOCAL) }
        guard let opened else {
            let reason = dlerror().map { String(cString: $0) } ?? "\(name): cannot be opened"
            throw Unusable(
                reason: reason, isMissing: reason.lowercased().contains("no such file"))
        }
        do throws(Unusable) {
            try self.init(name, handle: opened)
        } catch {
            dlclose(opened)
            throw error
        }
    }

    private init(_ name: String, handle: UnsafeMutableRawPointer) throws(Unusable) {
        /// The function `symbol` as a pointer of type `type`.
        func function<T>(_ symbol: String, _ type: T.Type) throws(Unusable) -> T {
            guard let address = dlsym(handle, symbol) else {
                throw Unusable(reason: "\(name): it has no function \(symbol)")
            }
            return unsafeBitCast(address, to: type)
        }
        typealias Name = @convention(c) () -> UnsafePointer<CChar>
        let getConfiguration = try function("openblas_get_config", Name.self)
        let getCore = try function("openblas_get_corename", Name.self)
        let getParallel = try function("openblas_get_parallel", (@convention(c) () -> CInt).self)
        getThreads = try function(
            "openblas_get_num_threads", (@convention(c) @Sendable () -> CInt).self)
        setThreads = try function(
            "openblas_set_num_threads", (@convention(c) @Sendable (CInt) -> Void).self)
        let usesOpenMP = getParallel() == 2
        functions = tk_blas(
            sgemv: try function("cblas_sgemv", BlasGEMV.self),
            sgemm: try function("cblas_sgemm", BlasGEMM.self),
            omp_set_num_threads: usesOpenMP
                ? try function("omp_set_num_threads", (@convention(c) (CInt) -> Void).self) : nil)
        configuration = String(cString: getConfiguration())
        core = String(cString: getCore())
        self.name = name
        self.handle = handle
        guard getParallel() != 0 else {
            throw Unusable(
                reason: "\(name): built without threads, so that several of ours may not call it")
        }
        guard !configuration.contains("USE64BITINT") else {
            throw Unusable(reason: "\(name): its integers have 64 bits; the one with 32 is needed")
        }
    }

    /// Its functions must not be called any more.
    func close() { dlclose(handle) }

    /// Whether something in this process uses `name` already; it would stay after a `close`.
    static func isLoaded(_ name: String) -> Bool {
        guard let handle = dlopen(name, RTLD_NOW | RTLD_NOLOAD) else { return false }
        dlclose(handle)
        return true
    }
}

private typealias BlasGEMV =
    @convention(c) (
        CInt, CInt, CInt, CInt, Float, UnsafePointer<Float>, CInt, UnsafePointer<Float>, CInt,
        Float, UnsafeMutablePointer<Float>, CInt
    ) -> Void
private typealias BlasGEMM =
    @convention(c) (
        CInt, CInt, CInt, CInt, CInt, CInt, Float, UnsafePointer<Float>, CInt,
        UnsafePointer<Float>, CInt, Float, UnsafeMutablePointer<Float>, CInt
    ) -> Void

// MARK: - Kernels

/// How wide the vectors of OpenBLAS's kernels are.
enum OpenBLASWidth: Int, Comparable, CustomStringConvertible {
    /// SSE or AVX on x86-64. On other CPUs its choices are not judged.
    case plain
    case avx2
    case avx512

    /// The widest that this CPU runs.
    static var ofThisCPU: OpenBLASWidth {
        switch tk_blas_cpu_width() {
        case TK_BLAS_AVX512: .avx512
        case TK_BLAS_AVX2: .avx2
        default: .plain
        }
    }

    /// The width of the kernels called `core`; nil for those that this library does not know, which
    /// may be newer than all others.
    init?(core: String) {
        switch core {
        case "SkylakeX", "Cooperlake", "SapphireRapids": self = .avx512
        case "Haswell", "Zen": self = .avx2
        case "Katmai", "Coppermine", "Northwood", "Prescott", "Banias", "Atom", "Core2", "Penryn",
            "Dunnington", "Nehalem", "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Nano",
            "Sandybridge", "Bobcat", "Bulldozer", "Piledriver", "Steamroller", "Excavator":
            self = .plain
        default: return nil
        }
    }

    /// Values of `OPENBLAS_CORETYPE` that a CPU of this width runs, the widest first.
    var cores: [String] {
        switch self {
        case .plain: []
        case .avx2: ["Haswell"]
        case .avx512: ["SkylakeX", "Haswell"]
        }
    }

    var description: String {
        switch self {
        case .plain: "SSE"
        case .avx2: "AVX2"
        case .avx512: "AVX-512"
        }
    }

    static func < (a: OpenBLASWidth, b: OpenBLASWidth) -> Bool { a.rawValue < b.rawValue }
}

extension OpenBLASLibrary {
    private static let coreTypeName = "OPENBLAS_CORETYPE"

    /// Whether the environment says which kernels to use. OpenBLAS knows no core of empty name, and
    /// then chooses itself.
    static var coreTypeIsSet: Bool { getenv(coreTypeName).map { $0.pointee != 0 } ?? false }

    /// Runs `body` with `core` in the environment, which then is what it was.
    private static func withCoreType<Result>(_ core: String?, _ body: () -> Result) -> Result {
        guard let core else { return body() }
        let before = getenv(coreTypeName).map { String(cString: $0) }
        setenv(coreTypeName, core, 1)
        defer {
            if let before { setenv(coreTypeName, before, 1) } else { unsetenv(coreTypeName) }
        }
        return body()
    }

    /// Throws when products are wrong, as those of some old releases are on CPUs newer than them.
    func requireRightProducts() throws(Unusable) {
        guard computesRightProducts else {
            throw Unusable(
                reason: "\(name): its \(core) kernels compute wrong products on this CPU")
        }
    }

    /// Whether small products with one input and with several are those of a double loop.
    var computesRightProducts: Bool {
        setThreads(1)
        return [(1, 16, 1), (37, 160, 1), (64, 272, 5), (133, 96, 17)].allSatisfy { shape in
            let (rows, columns, batch) = shape
            let w = (0..<rows * columns).map { Float($0 * 29 % 127 - 63) / 64 }
            let x = (0..<batch * columns).map { Float($0 * 37 % 255 - 127) / 128 }
            var y = [Float](repeating: .nan, count: batch * rows)
            let isComputed = withUnsafePointer(to: functions) { blas in
                batch == 1
                    ? tk_blas_gemv_f32(blas, w, rows, columns, x, &y)
                    : tk_blas_gemm_f32(blas, w, rows, columns, x, batch, &y)
            }
            return isComputed
                && y.indices.allSatisfy { index in
                    let (token, row) = index.quotientAndRemainder(dividingBy: rows)
                    var sum = 0.0
                    for column in 0..<columns {
                        sum +=
                            Double(w[row * columns + column])
                            * Double(x[token * columns + column])
                    }
                    return abs(Double(y[index]) - sum) <= Double(columns * columns) * 0x1p-24
                }
        }
    }
}
