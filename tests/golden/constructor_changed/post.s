# It changed, but that time is over in a live process.
	.section .text.set_up,"ax",@progbits
	.type	set_up, @function
set_up:
	.cfi_startproc
	movl	$2, %eax
	ret
	.cfi_endproc
	.size	set_up, .-set_up

	.section .init_array,"aw"
	.align	8
	.quad	set_up
