internal import CTernaryKernels
internal import Synchronization

/// The OpenBLAS of this machine, loaded when a comparison first asks for it.
///
/// ```swift
/// switch FloatBaseline.openBLAS {
/// case .success(let blas): print(blas)  // OpenBLAS 0.3.21, Haswell kernels
/// case .failure(let error): print(error)  // what is missing, and what to install
/// }
/// ```
///
/// Nothing is linked with it. OpenBLAS chooses its kernels when it is loaded, and an old one takes
/// those of an old CPU where it does not know a new one. It is then loaded again with the right
/// `OPENBLAS_CORETYPE`, and ``remark`` says so. A value that the process has been given is respected.
///
/// - Important: For that second loading the variable is set for the moment, and then is what it was.
///   A process whose other threads read the environment with `getenv` at any time should ask for
///   OpenBLAS before it starts them.
public struct OpenBLAS: Sendable {
    /// For example `0.3.21`.
    public let version: String
    /// All that the library says of its version and build.
    public let configuration: String
    /// Name of the kernels it uses, for example `Haswell` or `SkylakeX`.
    public let core: String
    /// Why it uses these, or what is wrong with them; nil when it has chosen the right ones itself.
    public let remark: String?
    /// Number of threads that it computes a product with.
    public var threads: Int { Int(getThreads()) }

    let functions: tk_blas
    private let getThreads: @convention(c) @Sendable () -> CInt
    private let setThreads: @convention(c) @Sendable (CInt) -> Void

    init(_ library: OpenBLASLibrary, remark: String?) {
        configuration = library.configuration
        let words = library.configuration.split(separator: " ")
        version = words.count > 1 ? String(words[1]) : library.configuration
        core = library.core
        self.remark = remark
        functions = library.functions
        getThreads = library.getThreads
        setThreads = library.setThreads
    }

    /// Makes OpenBLAS compute each product on the thread that asks for it, as our own kernels do.
    ///
    /// Its threads are a setting of the whole process, which others may have changed since. Several
    /// callers at a time are safe only without them.
    ///
    /// - Throws: `BitNetError.blasUnavailable` if it keeps to another number.
    func useOneThread() throws(BitNetError) {
        if threads != 1 { setThreads(1) }
        guard threads == 1 else {
            throw .blasUnavailable(
                reason: "it computes with \(threads) threads where 1 is asked for, which no "
                    + "comparison can use; unset OPENBLAS_NUM_THREADS")
        }
    }
}

extension OpenBLAS: CustomStringConvertible {
    /// Version, kernels and remark, on one line.
    public var description: String {
        "OpenBLAS \(version), \(core) kernels" + (remark.map { " (\($0))" } ?? "")
    }
}

// MARK: - Loading

extension OpenBLAS {
    /// The one that this process uses.
    static let shared = load()

    /// Where it is looked for: the loader's own folders, and those of Homebrew. Fedora's first name
    /// is a build without threads, which is refused; its second is one with them.
    static var standardNames: [String] {
        #if canImport(Darwin)
            [
                "libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                "/usr/local/opt/openblas/lib/libopenblas.dylib",
            ]
        #else
            ["libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0"]
        #endif
    }

    private static let remedy =
        "install it: apt-get install libopenblas-dev (Debian, Ubuntu), brew install openblas (macOS)"
    private static let loading = Mutex(())

    /// Loads the first of `names` that can be used.
    ///
    /// - Parameters:
    ///   - width: what the CPU can run.
    ///   - ownChoice: a core that OpenBLAS is made to choose as if by itself; for tests of what
    ///     follows.
    static func load(
        names: [String] = standardNames, width: OpenBLASWidth = .ofThisCPU, ownChoice: String? = nil
    ) -> Result<OpenBLAS, BitNetError> {
        loading.withLock { _ in
            var reasons: [String] = []
            for name in names {
                do throws(OpenBLASLibrary.Unusable) {
                    return .success(try load(name, width: width, ownChoice: ownChoice))
                } catch {
                    if !error.isMissing { reasons.append(error.reason) }
                }
            }
            if reasons.isEmpty {
                reasons = ["there is no \(names.joined(separator: ", no ")) on this machine"]
            }
            return .failure(
                .blasUnavailable(reason: (reasons + [remedy]).joined(separator: "; ")))
        }
    }

    /// Opens `name`, and opens it again where its own choice of kernels is not good.
    private static func load(
        _ name: String, width: OpenBLASWidth, ownChoice: String?
    ) throws(OpenBLASLibrary.Unusable) -> OpenBLAS {
        let wasLoaded = OpenBLASLibrary.isLoaded(name)
        let isForced = OpenBLASLibrary.coreTypeIsSet
        let first = try OpenBLASLibrary(name, core: ownChoice)
        let oldWidth = OpenBLASWidth(core: first.core) ?? width
        let below = oldWidth < width ? "below this CPU's \(width)" : nil
        if wasLoaded || isForced {
            // What others have chosen, or use already, is theirs.
            try first.requireRightProducts()
            let cause = isForced ? "as OPENBLAS_CORETYPE says" : below.map { _ in "loaded before" }
            let remarks = [cause, below].compactMap(\.self)
            return OpenBLAS(first, remark: remarks.isEmpty ? nil : remarks.joined(separator: ", "))
        }
        if below == nil, first.computesRightProducts { return OpenBLAS(first, remark: nil) }
        let flaw = below ?? "wrong on this CPU"
        first.close()
        for core in width.cores where core != first.core {
            let next = try OpenBLASLibrary(name, core: core)
            let nextWidth = OpenBLASWidth(core: core) ?? .plain
            if next.core == core, below == nil || nextWidth > oldWidth, next.computesRightProducts {
                let rest = nextWidth < width ? ", still below its \(width)" : ""
                return OpenBLAS(next, remark: "not its own choice \(first.core), \(flaw)\(rest)")
            }
            next.close()
        }
        let last = try OpenBLASLibrary(name, core: ownChoice)
        try last.requireRightProducts()
        return OpenBLAS(last, remark: flaw)
    }
}
