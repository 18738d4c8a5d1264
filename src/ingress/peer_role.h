/*
 * Words that the roles of ingress share in their messages.
 */
#pragma once

/* Which role is at the other end of a channel that came with IPC_PEER. */
enum peer_role { PEER_DISPATCHER, PEER_PAIRER, PEER_STEWARD, PEER_VERIFIER, PEER_DOORMAN, PEER_RESOLVER, PEER_ROLES };

enum listener_kind { LISTENER_TCP, LISTENER_UNIX, LISTENER_KINDS };

enum wake_state { WAKE_UP, WAKE_STARTING, WAKE_FAILED, WAKE_NOT_MINE, WAKE_STATES };

enum health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN, HEALTHS };

enum steward_command { STEWARD_START, STEWARD_STOP, STEWARD_COMMANDS };

/* How a command that the supervisor ran for a role has ended. */
enum command_end { COMMAND_EXITED, COMMAND_TIMED_OUT, COMMAND_NOT_STARTED, COMMAND_ENDS };
