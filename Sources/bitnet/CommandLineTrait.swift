#if !CommandLine
    #error(
        "bitnet needs the package's trait CommandLine, which is on by default; without it build a library product"
    )
#endif
