/* A PC/SC reader whose every answer comes from a test: an IFD handler (version 3) that asks a Unix socket.

   DEVICENAME in reader.conf is the socket. Each call of pcscd is one connection: an operation byte and the call's bytes go
   out, four bytes of return code (MSB first) and the answer's bytes come back until the end of the stream. */

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <ifdhandler.h>

static struct sockaddr_un far_side = {.sun_family = AF_UNIX};

static RESPONSECODE ask(char operation, const void *data, size_t size, unsigned char *answer, DWORD *room)
{
	unsigned char code[4];
	size_t got = 0, space = room ? *room : 0;
	ssize_t n;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (room)
		*room = 0;
	if (s < 0)
		return IFD_COMMUNICATION_ERROR;
	if (connect(s, (struct sockaddr *)&far_side, sizeof far_side) < 0
		|| send(s, &operation, 1, MSG_NOSIGNAL) != 1
		|| send(s, data, size, MSG_NOSIGNAL) != (ssize_t)size || shutdown(s, SHUT_WR) < 0) {
		close(s);
		return IFD_NO_SUCH_DEVICE;
	}
	while (got < sizeof code && (n = read(s, code + got, sizeof code - got)) > 0)
		got += n;
	if (got < sizeof code) {
		close(s);
		return IFD_COMMUNICATION_ERROR;
	}
	for (got = 0; got < space && (n = read(s, answer + got, space - got)) > 0;)
		got += n;
	close(s);
	if (room)
		*room = got;
	return (RESPONSECODE)code[0] << 24 | code[1] << 16 | code[2] << 8 | code[3];
}

static RESPONSECODE wait_for_event(DWORD lun, int timeout_ms)
{
	unsigned char wait[4] = {timeout_ms >> 24, timeout_ms >> 16, timeout_ms >> 8, timeout_ms};

	(void)lun;
	return ask('w', wait, sizeof wait, NULL, NULL);
}

static RESPONSECODE stop_waiting(DWORD lun)
{
	(void)lun;
	return ask('s', "", 0, NULL, NULL);
}

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name)
{
	(void)lun;
	strncpy(far_side.sun_path, name, sizeof far_side.sun_path - 1);
	return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel)
{
	(void)lun, (void)channel;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHCloseChannel(DWORD lun)
{
	(void)lun;
	return IFD_SUCCESS;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
	RESPONSECODE (*poll)(DWORD, int) = wait_for_event, (*stop)(DWORD) = stop_waiting;

	(void)lun;
	switch (tag) {
	case TAG_IFD_SLOTS_NUMBER:
	case TAG_IFD_SIMULTANEOUS_ACCESS:
		*length = 1;
		*value = 1;
		return IFD_SUCCESS;
	case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT:
		*length = sizeof poll;
		memcpy(value, &poll, sizeof poll);
		return IFD_SUCCESS;
	case TAG_IFD_STOP_POLLING_THREAD:
		*length = sizeof stop;
		memcpy(value, &stop, sizeof stop);
		return IFD_SUCCESS;
	default:
		*length = 0;
		return IFD_ERROR_TAG;
	}
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value)
{
	(void)lun, (void)tag, (void)length, (void)value;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3)
{
	(void)lun, (void)protocol, (void)flags, (void)pts1, (void)pts2, (void)pts3;
	return IFD_SUCCESS;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length)
{
	(void)lun;
	*length = MAX_ATR_SIZE;
	return ask(action == IFD_POWER_DOWN ? 'd' : 'u', "", 0, atr, length);
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER sent, PUCHAR command, DWORD size, PUCHAR reply, PDWORD length,
	PSCARD_IO_HEADER received)
{
	(void)lun, (void)sent, (void)received;
	return ask('t', command, size, reply, length);
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR command, DWORD size, PUCHAR reply, DWORD room, LPDWORD length)
{
	(void)lun, (void)code, (void)command, (void)size, (void)reply, (void)room;
	*length = 0;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHICCPresence(DWORD lun)
{
	(void)lun;
	return ask('p', "", 0, NULL, NULL);
}
