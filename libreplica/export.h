/* What every public header needs: visibility, C linkage, the error struct. */
#ifndef LIBREPLICA_EXPORT_H
#define LIBREPLICA_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define REPLICA_API __attribute__((visibility("default")))
#else
#define REPLICA_API
#endif

/* Exported for libreplicator of the very same version, and for nobody else. */
#define REPLICA_INTERNAL REPLICA_API

#ifdef __cplusplus
#define REPLICA_BEGIN extern "C" {
#define REPLICA_END }
#else
#define REPLICA_BEGIN
#define REPLICA_END
#endif

#endif
